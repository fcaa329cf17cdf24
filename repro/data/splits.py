"""Divisions into train, val and test: by patient or lesion, stratified, seeded."""

from collections.abc import Sequence

import numpy as np

from repro.data.folds import grouped_folds
from repro.data.subsets import strata
from repro.errors import InputError

SEVENTY_TEN_TWENTY = ("test", "test", "val", *["train"] * 7)
"""What ten stratified folds become: DermaMNIST's official proportions. [us]"""
TENTH_FOR_VALIDATION = ("val", *["train"] * 9)
"""The same, where the test split is given: a tenth of the rest is for validation. [us]"""
OWN = "data.name=folder with a column 'split' and data.split=official"


def divide(name: str, labels: np.ndarray, groups: np.ndarray, folds: Sequence[str], seed: int) -> np.ndarray:
    """Return a division in which no group is in two parts and labels are in proportion, as far as groups allow.

    Several labels per image are stratified as label fractions are: by the rarest.

    Args:
        name: the data set, for messages.
        labels: int64 `[N]` for multi-class, uint8 0/1 `[N, L]` for multi-label.
        groups: int64 `[N]`, equal for images that must stay together.
        folds: the part that each of several equal folds goes to, e.g. `SEVENTY_TEN_TWENTY`.
        seed: which division.

    Returns:
        `[N]` of the parts' names.

    Raises:
        InputError: there are too few groups, or too uneven ones, to fill every part.
    """
    many = len(np.unique(groups))
    if many < len(folds):
        raise InputError(
            f"{name}: {len(labels)} images in {many} groups (patients, lesions) cannot be divided: it takes "
            f"{len(folds)} groups. Add images, or give a division of your own ({OWN})"
        )
    parts = np.array(folds, dtype="<U5")[grouped_folds(strata(labels), groups, len(folds), seed)]
    assert shared_group(groups, parts) is None
    empty = sorted(set(folds) - set(parts))
    if empty:
        raise InputError(
            f"{name}: the split would leave no image for {' and '.join(empty)}, since few groups (patients, lesions) "
            f"hold most images. Check the groups, or give a division of your own ({OWN})"
        )
    return parts


def shared_group(groups: np.ndarray, parts: np.ndarray) -> int | None:
    """Return a group that has images in two parts, or None; images of part "" do not count."""
    inside = parts != ""
    pairs = np.unique(np.stack([groups[inside], np.unique(parts[inside], return_inverse=True)[1]]), axis=1)
    repeated = np.flatnonzero(pairs[0, 1:] == pairs[0, :-1])
    return int(pairs[0, repeated[0]]) if len(repeated) else None


def check_offered(name: str, split: str, offered: Sequence[str]) -> None:
    """Refuse a value of data.split that a data set does not have."""
    if split not in offered:
        raise InputError(f"data.split={split!r}: {name} has {' and '.join(offered)}")
