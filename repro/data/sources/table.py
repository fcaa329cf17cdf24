"""The source `folder`: images of your own, named with their labels in a CSV table.

Columns: path (relative to the table's folder, or absolute); label (a class, or several findings as "Mass|Nodule", or
empty for none); group (patient or lesion; optional, and a column such as patient_id is taken for it); split (train,
val, test or empty; optional). Without a column label, every other column is a label and holds 0 or 1. A folder in place
of a table has one folder of images per class.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.csvfile import Table, read_table, rows_where
from repro.data.folder import data_folder
from repro.data.imageset import SPLITS, UNLABELLED
from repro.data.layout import spelled_otherwise
from repro.data.listing import Listing
from repro.data.notices import once
from repro.data.sources.class_folders import table_of
from repro.data.sources.table_groups import GROUP, group_columns, groups_of, groups_of_paths
from repro.data.sources.table_labels import LABEL, labels_of, unlabelled_rows, with_known_labels
from repro.data.splits import SEVENTY_TEN_TWENTY, check_offered, divide, shared_group
from repro.errors import InputError, did_you_mean

NAME = "folder"
TABLE = "labels.csv"
ABOUT = ("path", GROUP, "split")
"""Columns that are never labels."""


def listing(settings: Mapping[str, Any]) -> Listing:
    """Read a table of your own.

    An image has one class, unless the table has 0/1 columns, or any cell of the column label has several or no names:
    then images have several labels. Names that are numbers are in numeric order, others in alphabetical order.

    Args:
        settings: the config group `data`; csv is the table or folder (None: $REPRO_DATA/folder/labels.csv); split is
            "seeded" (divided by group and stratified, by split_seed) or "official" (the column split); channels, if
            there, is 1 or 3 (default 3: grey files become grey colour images).

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
    whole = table_of(file) if file.is_dir() else read_table(file, ("path",), advice)
    table = with_known_labels(whole, settings.get("unknown_labels", "ask"))
    files = _files(table)
    folder = os.path.commonpath({os.path.dirname(path) for path in files})  # noqa: PTH120  (no class Path: see Listing)
    together = group_columns(table)
    others = [column for column in table.columns if column not in (*ABOUT, LABEL, *together)]
    unlabelled = unlabelled_rows(table) if settings.get("unknown_labels") == "pretrain" else set()
    labels, names = _with_unlabelled(table, unlabelled, others)
    known = labels >= 0 if unlabelled else np.ones(len(files), dtype=bool)
    groups = groups_of(table, together) if together else groups_of_paths(table)
    if LABEL in table.columns and others:
        unused = ", ".join(others)
        once(logging.INFO, f"{file}: not used: column {unused}. If one names the patient, call it '{GROUP}'")
    if settings["split"] == "official":
        split = _official(table, groups, known)
    else:
        if "split" in table.columns:
            once(logging.WARNING, f"{file}: its column 'split' is not used; data.split=official uses it")
        apart = np.arange(len(files)) if groups is None else groups
        by = f" by {' and '.join(together)}" if together else ""
        split = np.full(len(files), "", dtype="<U5")
        split[known] = divide(
            f"{file}{by}", labels[known], apart[known], SEVENTY_TEN_TWENTY, settings.get("split_seed", 0)
        )
    _report(file, labels[known], names, None if groups is None else groups[known], split[known])
    if unlabelled:
        split = _for_pretraining(file, split, known, groups)
    return Listing(
        name=NAME,
        folder=Path(folder),
        names=tuple(path[len(os.path.join(folder, "")) :] for path in files),  # noqa: PTH118
        places=spelled_otherwise(files),
        labels=labels,
        split=split,
        class_names=names,
        channels=channels,
        groups=groups,
        manifest={
            "tables_sha256": {file.name: table.sha256},
            **({"groups_from": list(together or ["path"])} if groups is not None else {}),
            **({"unknown_labels": left_out} if (left_out := len(whole.lines) - len(table.lines)) else {}),
        },
        home=f"{file} {channels}",
    )


def _with_unlabelled(table: Table, unlabelled: set[int], columns: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels and their names as `labels_of`; -1 for rows without a label."""
    found, names = labels_of(table.without(unlabelled) if unlabelled else table, columns)
    if not unlabelled:
        return found, names
    if found.ndim == 2:
        raise InputError(
            f"{table.file}: data.unknown_labels=pretrain is for images of one class each; with several labels an empty "
            "cell means no finding. Take these rows out"
        )
    labels = np.full(len(table.lines), -1, dtype=np.int64)
    labels[[row for row in range(len(labels)) if row not in unlabelled]] = found
    return labels, names


def _for_pretraining(file: Path, split: np.ndarray, known: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the division with the images of unknown label in `UNLABELLED`, but for those of validation and test.

    These are images that the table puts there, or of a group that has others there: pretraining must not see them.
    """
    held = np.isin(split, ("val", "test"))
    barred = held & ~known
    if groups is not None:
        barred |= ~known & np.isin(groups, groups[held & known])
    found = np.where(known, split, "").astype(f"<U{len(UNLABELLED)}")
    found[~known & ~barred] = UNLABELLED
    left_out = f"; {barred.sum()} others belong to validation or test and are left out" if barred.any() else ""
    once(logging.INFO, f"{file}: {(found == UNLABELLED).sum()} images without a label, for pretraining alone{left_out}")
    return found


def _files(table: Table) -> list[str]:
    cells = table.filled("path", "write where the image lies")
    for row in rows_where(cells, lambda cell: "\\" in cell or "://" in cell):
        raise table.fault("path", row, "is no path of this machine; write folders with '/', and no URL")
    start = str(table.file.parent)
    paths = [os.path.normpath(os.path.join(start, cell)) for cell in cells]  # noqa: PTH118
    table.no_repeats(paths, "path")
    return paths


def _official(table: Table, groups: np.ndarray | None, known: np.ndarray) -> np.ndarray:
    """Return the column split; warn of groups whose images of `known` label are in two splits."""
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
    if groups is not None and (shared := shared_group(groups[known], split[known])) is not None:
        row = int((groups == shared).argmax())
        together = group_columns(table)
        name = f"'{table.columns[together[0]][row]}'" if together else f"of {table.columns['path'][row]}"
        said = f"group {name} is in two splits (others may be too), so the test split leaks"
        once(logging.WARNING, f"{table.file}: {said}")
    return split


def _report(
    file: Path, labels: np.ndarray, names: tuple[str, ...], groups: np.ndarray | None, split: np.ndarray
) -> None:
    """Say in one line what was made of the table, and in another which labels a split lacks."""
    kind = "multi-label" if labels.ndim == 2 else "multi-class"
    counts = ", ".join(f"{name} {count}" for name, count in _counts(labels, names))
    grouped = "no groups" if groups is None else f"{len(np.unique(groups))} groups"
    sizes = ", ".join(f"{part} {(split == part).sum()}" for part in SPLITS)
    once(logging.INFO, f"{file}: {len(labels)} images, {kind} ({counts}), {grouped}; {sizes}")
    for part in SPLITS:
        if lacking := [name for name, count in _counts(labels[split == part], names) if not count]:
            once(logging.WARNING, f"{file}: no image of split {part} has label {', '.join(lacking)}")
    if len(np.unique(labels[split == "train"], axis=0)) < 2:
        raise InputError(f"{file}: all images of split train have the same label; there is nothing to learn")


def _counts(labels: np.ndarray, names: tuple[str, ...]) -> list[tuple[str, int]]:
    numbers = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(names))
    return list(zip(names, numbers.tolist(), strict=True))
