"""The registry of data sets: a new one is a module with a `load` function and a line here."""

from collections.abc import Callable

from repro.data import medmnist, phantom
from repro.data.imageset import ImageSet
from repro.data.subsets import limited
from repro.errors import InputError, did_you_mean

SOURCES: dict[str, Callable[[str, int, str], ImageSet]] = {
    **dict.fromkeys(medmnist.NAMES, medmnist.load),
    **dict.fromkeys(phantom.NAMES, phantom.load),
}


def load(name: str, size: int, split: str, limit: int | None = None) -> ImageSet:
    """Read a data set.

    Args:
        name: one of `SOURCES`.
        size: height and width in pixels.
        split: which division into train, val and test, e.g. "official".
        limit: at most this many images per split, stratified; None for all.

    Raises:
        InputError: no such source, size or split; a file that is missing or damaged.
    """
    if name not in SOURCES:
        raise InputError(f"data.name: no data set '{name}'.{did_you_mean(name, SOURCES)} Known: {', '.join(SOURCES)}")
    images = SOURCES[name](name, size, split)
    return images if limit is None else limited(images, limit)
