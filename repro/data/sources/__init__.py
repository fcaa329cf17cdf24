"""The registry of data sets: a new one is a module here, a line below, and a config in `repro/configs/datasets.py`.

A set of arrays has `load(name, size, split) -> ImageSet`. A set of files has `listing(settings) -> Listing`, and its
images are decoded once.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from repro.data.folder import prepared_folder
from repro.data.imageset import SPLITS, UNLABELLED, ImageSet
from repro.data.listing import Listing
from repro.data.prepare import prepared, rehash
from repro.data.sources import chestxray14, isic2019, kermany, medmnist, phantom, table
from repro.data.subsets import limited
from repro.errors import InputError, did_you_mean

Settings = Mapping[str, Any]

_phantom = functools.lru_cache(maxsize=2)(phantom.load)
"""Drawing takes a second, and a process may ask for the same images with other limits."""

ARRAYS: dict[str, Callable[[Settings], ImageSet]] = {
    **dict.fromkeys(medmnist.NAMES, lambda s: medmnist.load(s["name"], s["size"], s["split"], s["split_seed"])),
    **dict.fromkeys(phantom.NAMES, lambda s: _phantom(s["name"], s["size"], s["split"])),
}

LISTINGS: dict[str, Callable[[Settings], Listing]] = {
    isic2019.NAME: isic2019.listing,
    chestxray14.NAME: chestxray14.listing,
    kermany.NAME: kermany.listing,
    table.NAME: table.listing,
}


def load(settings: Settings, folder: Path) -> ImageSet:
    """Read a data set; one of files is decoded first, unless it was before.

    Args:
        settings: the config group `data`.
        folder: where decoded sets are kept.

    Raises:
        InputError: no such source, size or split; a setting that the source does not have; a file that is missing or
            damaged.
    """
    name, known = settings["name"], [*LISTINGS, *ARRAYS]
    if name != table.NAME and (settings["csv"] is not None or settings["channels"] != 3):
        raise InputError(f"data.csv and data.channels are for data.name={table.NAME}, not for {name}; leave them out")
    if name != table.NAME and settings.get("unknown_labels", "ask") != "ask":
        raise InputError(f"data.unknown_labels is for data.name={table.NAME}, not for {name}; leave it out")
    grey = settings.get("black"), settings.get("white")  # runs stored before these settings existed lack them
    if name in ARRAYS and grey != (None, None):
        raise InputError(f"data.black and data.white are for files of more than 8 bits; leave them out for {name}")
    if None not in grey and grey[0] == grey[1]:
        raise InputError(f"data.black and data.white are both {grey[0]:g}; give two grey values")
    if name in ARRAYS and settings["split"] == "official" and settings["split_seed"] != 0:
        raise InputError(f"data.split_seed={settings['split_seed']}: the official split of {name} is as published")
    if name in LISTINGS:
        gaps = settings["allow_missing"], settings["allow_corrupt"]
        listing = LISTINGS[name](settings)
        images = prepared(listing, settings["size"], folder / _home(listing, settings), *gaps, grey)
    elif name in ARRAYS:
        images = ARRAYS[name](settings)
    else:
        raise InputError(f"data.name: no data set '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    return images if settings["limit"] is None else limited(images, settings["limit"])


def altered(settings: Settings, folder: Path) -> tuple[str, ...] | None:
    """Return what of a data set is no longer as it was when it was decoded, by name; None for a set of arrays.

    Args:
        settings, folder: as `load` got them.
    """
    if settings["name"] not in LISTINGS:
        return None
    listing = LISTINGS[settings["name"]](settings)
    return rehash.altered(listing, settings["size"], folder / _home(listing, settings))


def split_sizes(settings: Settings) -> dict[str, int]:
    """Return how many images each split has, without decoding any; files that are missing count too.

    Where there are images without a label, their number is there too, as "unlabelled".

    Raises:
        InputError: as `load`, as far as tables tell.
    """
    listed = settings["name"] in LISTINGS and settings["limit"] is None
    found = LISTINGS[settings["name"]](settings) if listed else load(settings, prepared_folder())
    sizes = {split: int((found.split == split).sum()) for split in (*SPLITS, UNLABELLED)}
    return {split: size for split, size in sizes.items() if size or split in SPLITS}


def _home(listing: Listing, settings: Settings) -> str:
    """Return a name for where the files lie: of two copies, or two tables of one folder, each has its own place."""
    place = f"{listing.folder}\n{listing.home}" if listing.home else str(listing.folder)
    if (grey := (settings.get("black"), settings.get("white"))) != (None, None):
        place += f"\n{grey[0]} {grey[1]}"
    return hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:12]
