"""Divisions into train, val and test: by patient or lesion, stratified, seeded; and a list of one, to pass on."""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from repro.data.folds import grouped_folds
from repro.data.listing import Listing
from repro.data.subsets import label_subset, strata
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


def export(listing: Listing, file: Path, fractions: Sequence[float] = (), seed: int = 0) -> str:
    """Write which image is in which split and label subset, as a CSV that is the same for everyone.

    Columns: image (its path below the folder that all images share), split, group (a number, empty where unknown), and
    for every fraction 0/1 in label_fraction_<fraction>.

    Args:
        listing: the data set.
        file: the CSV to write; it is replaced whole or not at all.
        fractions: label fractions, each in (0, 1].
        seed: which draw of label subsets.

    Returns:
        The SHA-256 of the file.

    Raises:
        InputError: a fraction lies outside (0, 1].
    """
    common = os.path.commonpath([path.parent for path in listing.files])
    drawn = np.zeros((len(listing.files), len(fractions)), dtype=np.uint8)
    for column, fraction in enumerate(fractions):
        drawn[label_subset(listing, fraction, seed), column] = 1
    groups = [""] * len(listing.files) if listing.groups is None else listing.groups.tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "split", "group", *(f"label_fraction_{fraction:g}" for fraction in fractions)])
    for path, split, group, row in zip(listing.files, listing.split, groups, drawn, strict=True):
        writer.writerow([path.relative_to(common).as_posix(), split, group, *row])
    content = text.getvalue().encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(content)
    partial.rename(file)
    return hashlib.sha256(content).hexdigest()
