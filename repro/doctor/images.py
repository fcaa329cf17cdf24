"""Which data sets are here, in which layout, and whether their images are all there."""

import os
from collections.abc import Iterator

from repro.configs import DATASETS
from repro.configs.resolve import resolve
from repro.data.folder import data_folder
from repro.data.imageset import SPLITS
from repro.data.listing import Listing
from repro.data.sources import LISTINGS, medmnist, table
from repro.doctor.finding import Finding, note
from repro.errors import InputError

TITLE = "images"

SMALLEST = 28
"""Pixels of the MedMNIST files that every scale but `paper` uses."""


def findings() -> Iterator[Finding]:
    """Yield each data set that is found, and each that is not."""
    yield from _medmnist()
    for name in DATASETS:
        if name not in LISTINGS or name == table.NAME:
            continue
        try:
            yield _listed(LISTINGS[name](resolve([name], {})["data"]))
        except InputError as error:
            if (data_folder() / name).exists():
                what, _, cure = str(error).partition(". ")
                yield note(f"{name}: {what}", cure)
            else:
                yield Finding(f"{name}: not here; `python -m repro.data fetch {name}` gets it")


def _listed(listing: Listing) -> Finding:
    absent = sum(not os.path.exists(file) for file in listing.files)  # noqa: PTH110  (no class Path: see Listing)
    if absent:
        what = f"{listing.name}: {absent:,} of {len(listing.names):,} images are missing in {listing.folder}"
        return note(what, "Runs on it are refused; get them, or set data.allow_missing=True to go on without them")
    counts = ", ".join(f"{int((listing.split == split).sum()):,} {split}" for split in SPLITS)
    return Finding(f"{listing.name}: {counts} in {listing.folder}")


def _medmnist() -> Iterator[Finding]:
    folder = data_folder() / "medmnist"
    missing = {name: medmnist.missing(name, SMALLEST) for name in medmnist.NAMES}
    if here := [name for name, files in missing.items() if not any(file.endswith(".npz") for file in files)]:
        yield Finding(f"medmnist: {', '.join(here)} at {SMALLEST} px, in {folder} or medmnist's cache")
    if wanted := [file for files in missing.values() for file in files]:
        yield Finding(f"medmnist: {', '.join(wanted)} would be downloaded into {folder}")
