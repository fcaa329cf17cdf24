"""Which images a label fraction, or a limited study, consists of: seeded, stratified, nested."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from repro.data.imageset import SPLITS, UNLABELLED, ImageSet
from repro.errors import InputError


def label_subset(images: ImageSet, fraction: float, seed: int) -> np.ndarray:
    """Return the training images whose labels a method may see.

    Stratified by class, with at least one image of every class that the training split has; for one seed
    a smaller fraction is contained in a larger one. [us]

    Args:
        images: the data set.
        fraction: in (0, 1].
        seed: which draw.

    Returns:
        int64 indices into `images`, ascending.

    Raises:
        InputError: the fraction lies outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise InputError(f"label fraction {fraction} must lie in (0, 1]; 0.1 means 10 % of the training labels")
    return _draw(images, "train", fraction, seed)


def limited(images: ImageSet, limit: int) -> ImageSet:
    """Return the data set with at most `limit` images in each split, stratified; the rest is in no split."""
    split = np.full(len(images.split), "", dtype=images.split.dtype)
    for name in (*SPLITS, UNLABELLED):
        pool = images.indices(name)
        if len(pool) > limit:
            pool = _draw(images, name, limit / len(pool), seed=0, count=math.floor)
            # One image of every rare class can be too many; then chance decides.
            pool = np.random.default_rng(0).permutation(pool)[:limit]
        split[pool] = name
    return replace(images, split=split, manifest={**images.manifest, "limit": limit})


def strata(labels: np.ndarray) -> np.ndarray:
    """Return one stratum number per image, int64 `[N]`.

    Multi-class: the class. Multi-label: the rarest label the image has, or L for an image without any. [us]
    """
    if labels.ndim == 1:
        return labels
    frequency = labels.sum(axis=0)
    rarest = np.where(labels > 0, frequency, np.iinfo(np.int64).max).argmin(axis=1)
    return np.where(labels.any(axis=1), rarest, labels.shape[1])


def _draw(
    images: ImageSet, split: str, fraction: float, seed: int, count: Callable[[float], int] = round
) -> np.ndarray:
    pool = images.indices(split)
    stratum = strata(images.labels[pool])
    chosen = []
    for number in np.unique(stratum):
        members = pool[stratum == number]
        order = np.random.default_rng([seed, int(number)]).permutation(len(members))
        chosen.append(members[order[: max(1, count(fraction * len(members)))]])
    return np.sort(np.concatenate(chosen))
