"""Which data sets are here, and in which layout."""

from collections.abc import Iterator
from pathlib import Path

from repro.configs import DATASETS
from repro.configs.resolve import resolve
from repro.data.folder import data_folder
from repro.data.sources import LISTINGS, medmnist, split_sizes, table
from repro.doctor.finding import Finding, note
from repro.errors import InputError

TITLE = "images"


def findings() -> Iterator[Finding]:
    """Yield each data set that is found, and each that is not."""
    yield from _medmnist(data_folder() / "medmnist")
    for name in DATASETS:
        if name not in LISTINGS or name == table.NAME:
            continue
        place = data_folder() / name
        if not place.exists():
            yield Finding(f"{name}: not here; `python -m repro.data fetch {name}` gets it")
            continue
        try:
            sizes = split_sizes(resolve([name], {})["data"])
        except InputError as error:
            what, _, cure = str(error).partition(". ")
            yield note(f"{name}: {what}", cure)
        else:
            counts = ", ".join(f"{count:,} {split}" for split, count in sizes.items())
            yield Finding(f"{name}: {counts} listed in {place}")


def _medmnist(folder: Path) -> Iterator[Finding]:
    found = sorted(file.name for name in medmnist.NAMES for file in folder.glob(f"{name}*.npz"))
    if found:
        yield Finding(f"medmnist: {', '.join(found)} in {folder}")
    if missing := [name for name in medmnist.NAMES if not any(file.startswith(name) for file in found)]:
        yield Finding(f"medmnist: {', '.join(missing)} would be downloaded")
