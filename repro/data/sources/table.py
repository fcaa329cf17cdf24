"""The source `folder`: images of your own, named with their labels in a CSV table.

Columns: path (relative to the table's folder, or absolute); label (a class, or several findings as "Mass|Nodule", or
empty for none); group (patient or lesion; optional); split (train, val, test or empty; optional). Without a column
label, every other column is a label and holds 0 or 1.
"""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.csvfile import Table, indicators, numbered, parts, read_table, rows_where
from repro.data.folder import data_folder
from repro.data.imageset import SPLITS
from repro.data.listing import Listing
from repro.data.splits import SEVENTY_TEN_TWENTY, check_offered, divide, shared_group
from repro.errors import InputError, did_you_mean

log = logging.getLogger("repro.data")

NAME = "folder"
TABLE = "labels.csv"
ABOUT = ("path", "group", "split")
"""Columns that are never labels."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def listing(settings: Mapping[str, Any]) -> Listing:
    """Read a table of your own.

    An image has one class, unless the table has 0/1 columns, or any cell of the column label has several or no names:
    then images have several labels. Names that are numbers are in numeric order, others in alphabetical order.

    Args:
        settings: the config group `data`; csv is the table (None: $REPRO_DATA/folder/labels.csv); split is "seeded"
            (divided by group and stratified, by split_seed) or "official" (the column split); channels, if there, is 1
            or 3 (default 3: grey files become grey colour images).

    Raises:
        InputError: the table is missing or damaged, or its labels or splits cannot be told.
    """
    check_offered(NAME, settings["split"], ("seeded", "official"))
    channels = settings.get("channels", 3)
    if channels not in (1, 3):
        raise InputError(f"data.channels={channels!r}: images are grey (1) or coloured (3)")
    given = settings.get("csv")
    file = Path(given).expanduser().absolute() if given else data_folder() / NAME / TABLE
    advice = "write it (columns path, label, and if known group and split), or name yours with data.csv=FILE"
    table = read_table(file, ("path",), advice)
    files = _files(table)
    folder = os.path.commonpath({os.path.dirname(path) for path in files})  # noqa: PTH120  (no class Path: see Listing)
    labels, names = _labels(table)
    groups = None
    if "group" in table.columns:
        groups = numbered(table.filled("group", "give every image a group; one that stands alone has one of its own"))
    if settings["split"] == "official":
        split = _official(table, groups)
    else:
        if "split" in table.columns:
            log.warning("%s: its column 'split' is not used; data.split=official uses it", file)
        apart = np.arange(len(files)) if groups is None else groups
        split = divide(str(file), labels, apart, SEVENTY_TEN_TWENTY, settings.get("split_seed", 0))
    _report(file, labels, names, groups, split)
    return Listing(
        name=NAME,
        folder=Path(folder),
        names=tuple(path[len(os.path.join(folder, "")) :] for path in files),  # noqa: PTH118
        labels=labels,
        split=split,
        class_names=names,
        channels=channels,
        groups=groups,
        manifest={"tables_sha256": {file.name: table.sha256}},
    )


def _files(table: Table) -> list[str]:
    cells = table.filled("path", "write where the image lies")
    for row in rows_where(cells, lambda cell: "\\" in cell or "://" in cell):
        raise table.fault("path", row, "is no path of this machine; write folders with '/', and no URL")
    start = str(table.file.parent)
    paths = [os.path.normpath(os.path.join(start, cell)) for cell in cells]  # noqa: PTH118
    table.no_repeats(paths, "path")
    return paths


def _labels(table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
    if "label" in table.columns:
        labels, names = _named(table)
    else:
        names = tuple(column for column in table.columns if column not in ABOUT)
        if not names:
            raise InputError(f"{table.file}: no column 'label', and no column of 0 and 1 either; add the labels")
        about = ", ".join(ABOUT)
        labels = table.binary(names, f"without a column 'label' all columns but {about} are labels: take it out")
    if (labels == labels[0]).all():
        what = f"label '{names[labels[0]]}'" if labels.ndim == 1 else "labels"
        raise InputError(f"{table.file}: all {len(labels)} images have the same {what}; there is nothing to learn")
    return labels, names


def _named(table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels and their names from the column label."""
    cells = table.columns["label"]
    for row in rows_where(cells, lambda cell: cell.lower() == "nan"):
        raise table.fault("label", row, "is no label; write its name, or nothing where the image has none")
    for row in rows_where(cells, lambda cell: "|" in cell and "" in parts(cell)):
        raise table.fault("label", row, "has an empty name beside a '|'; write it, or take the '|' out")
    several, empty = any("|" in cell for cell in cells), [row for row, cell in enumerate(cells) if not cell]
    if not several and not empty:
        kinds = _ordered(set(cells))
        number = {name: number for number, name in enumerate(kinds)}
        return np.array([number[cell] for cell in cells], dtype=np.int64), kinds
    if not several:
        log.warning(
            "%s: no image has several labels, but %d have none (first in line %d), so they are taken for images "
            "without findings; if each has one class, fill it in",
            table.file,
            len(empty),
            table.lines[empty[0]],
        )
    kinds = _ordered({name for cell in set(cells) for name in parts(cell)} - {""})
    return indicators(cells, kinds), kinds


def _ordered(names: set[str]) -> tuple[str, ...]:
    if all(NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))


def _official(table: Table, groups: np.ndarray | None) -> np.ndarray:
    if "split" not in table.columns:
        raise InputError(
            f"{table.file}: data.split=official needs a column 'split' with {', '.join(SPLITS)}; add it, or let "
            "data.split=seeded divide the images"
        )
    cells = table.columns["split"]
    for row in rows_where(cells, lambda cell: cell not in ("", *SPLITS)):
        hint = did_you_mean(cells[row], SPLITS)
        raise table.fault("split", row, f"is none of {', '.join(SPLITS)}, nor empty.{hint} Correct it")
    for part in SPLITS:
        if part not in set(cells):
            raise InputError(f"{table.file}: no row has split '{part}'; each of {', '.join(SPLITS)} needs images")
    split = np.array(cells, dtype="<U5")
    if groups is not None and (shared := shared_group(groups, split)) is not None:
        name = table.columns["group"][int((groups == shared).argmax())]
        log.warning("%s: group '%s' is in two splits (others may be too), so the test split leaks", table.file, name)
    return split


def _report(
    file: Path, labels: np.ndarray, names: tuple[str, ...], groups: np.ndarray | None, split: np.ndarray
) -> None:
    """Say in one line what was made of the table, and in another which labels a split lacks."""
    log.info(
        "%s: %d images, %s (%s), %s; %s",
        file,
        len(labels),
        "multi-label" if labels.ndim == 2 else "multi-class",
        ", ".join(f"{name} {count}" for name, count in _counts(labels, names)),
        "no groups" if groups is None else f"{len(np.unique(groups))} groups",
        ", ".join(f"{part} {(split == part).sum()}" for part in SPLITS),
    )
    for part in SPLITS:
        if lacking := [name for name, count in _counts(labels[split == part], names) if not count]:
            log.warning("%s: no image of split %s has label %s", file, part, ", ".join(lacking))
    if len(np.unique(labels[split == "train"], axis=0)) < 2:
        raise InputError(f"{file}: all images of split train have the same label; there is nothing to learn")


def _counts(labels: np.ndarray, names: tuple[str, ...]) -> list[tuple[str, int]]:
    numbers = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(names))
    return list(zip(names, numbers.tolist(), strict=True))
