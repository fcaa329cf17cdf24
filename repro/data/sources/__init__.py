"""The registry of data sets: a new one is a module here and a line below.

A set of arrays has `load(name, size, split) -> ImageSet`. A set of files has `listing(settings) -> Listing`, and its
images are decoded once.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from repro.data.imageset import ImageSet
from repro.data.listing import Listing
from repro.data.prepare import prepared
from repro.data.sources import chestxray14, isic2019, kermany, medmnist, phantom, table
from repro.data.subsets import limited
from repro.errors import InputError, did_you_mean

ARRAYS: dict[str, Callable[[str, int, str], ImageSet]] = {
    **dict.fromkeys(medmnist.NAMES, medmnist.load),
    **dict.fromkeys(phantom.NAMES, phantom.load),
}

LISTINGS: dict[str, Callable[[Mapping[str, Any]], Listing]] = {
    isic2019.NAME: isic2019.listing,
    chestxray14.NAME: chestxray14.listing,
    kermany.NAME: kermany.listing,
    table.NAME: table.listing,
}


def load(settings: Mapping[str, Any], folder: Path) -> ImageSet:
    """Read a data set; one of files is decoded first, unless it was before.

    Args:
        settings: the config group `data`.
        folder: where decoded sets are kept.

    Raises:
        InputError: no such source, size or split; a file that is missing or damaged.
    """
    name, known = settings["name"], [*LISTINGS, *ARRAYS]
    if name in LISTINGS:
        gaps = settings["allow_missing"], settings["allow_corrupt"]
        if settings["csv"] is not None:  # every table has a place of its own
            folder = folder / hashlib.sha256(settings["csv"].encode()).hexdigest()[:12]
        images = prepared(LISTINGS[name](settings), settings["size"], folder, *gaps)
    elif name in ARRAYS:
        images = ARRAYS[name](name, settings["size"], settings["split"])
    else:
        raise InputError(f"data.name: no data set '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    return images if settings["limit"] is None else limited(images, settings["limit"])
