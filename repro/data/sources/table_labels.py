"""The labels of a table: what its cells say, which cells say that nobody knows, and names that read alike."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from repro.data.csvfile import Table, indicators, parts, rows_where
from repro.data.notices import once
from repro.errors import InputError

LABEL = "label"
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")

UNKNOWN = frozenset(
    ("na", "n/a", "#n/a", "#na", "<na>", "n.a.", "nan", "-nan", "null", "unknown", "unk", "missing", "not available",
     "unlabeled", "unlabelled", "?", "-")
)  # fmt: skip
"""What a label reads like, in any case, where the label is not known: what pandas takes for missing, and words. [us]"""
UNCERTAIN = ("", "-1", "-1.0")
"""What CheXpert and its like write into columns of 0 and 1 where a report is silent or unsure."""
NEVER_WRITTEN = ("None", "NONE")
"""Python's own None. In small letters it is a word: no finding."""


def reads_unknown(cell: str) -> bool:
    """Whether a cell, or a name in it, reads like "nobody knows"."""
    return any(name.lower() in UNKNOWN or name in NEVER_WRITTEN for name in parts(cell))


def with_known_labels(table: Table, unknown: str) -> Table:
    """Return the table, or with `unknown` "leave_out" the rows of it whose label is known.

    An empty label is not known either, unless another image of the table has several labels: there it means no finding.

    Args:
        table: the table.
        unknown: what to do with labels that read like "nobody knows": ask, class (they are a class like others),
            leave_out, or pretrain (the table stays; `unlabelled_rows` says which they are).

    Raises:
        InputError: there are some, and `unknown` is "ask"; or no other row is left.
    """
    cells = table.columns.get(LABEL, ())
    one_each = not any("|" in cell for cell in cells)
    rows = list(rows_where(cells, lambda cell: reads_unknown(cell) or (one_each and not cell)))
    if not rows or unknown in ("class", "pretrain"):
        return table
    if unknown == "ask":
        raise table.fault(
            LABEL,
            rows[0],
            f"is no label, as it stands there ({len(rows):,} such rows). Say what to do: "
            "data.unknown_labels=leave_out, or pretrain (used for pretraining alone), or class (it is a class; an "
            "empty label: no finding)",
        )
    if len(rows) == len(table.lines):
        raise InputError(f"{table.file}: no image has a known label")
    once(logging.WARNING, f"{table.file}: {len(rows)} images whose label is not known are left out")
    return table.without(set(rows))


def unlabelled_rows(table: Table) -> set[int]:
    """Return the rows whose label is empty or reads like "nobody knows"."""
    return set(rows_where(table.columns.get(LABEL, ()), lambda cell: not cell or reads_unknown(cell)))


def labels_of(table: Table, columns: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels, int64 `[N]` or uint8 0/1 `[N, L]`, and their names.

    Args:
        table: the table.
        columns: without a column label, the columns that are labels.

    Raises:
        InputError: there are no labels, they cannot be told, or all images have the same.
    """
    if LABEL in table.columns:
        labels, names = _named(table)
    else:
        names = tuple(columns)
        if not names:
            raise InputError(f"{table.file}: no column 'label', and no column of 0 and 1 either; add the labels")
        for column in names:
            for row in rows_where(table.columns[column], lambda cell: cell in UNCERTAIN or reads_unknown(cell)):
                advice = "if nobody knows, decide for one, or take the row out"
                raise table.fault(column, row, f"is neither 0 nor 1: {advice}")
        labels = table.binary(
            names,
            "if it names the class, call the column 'label'; if it tells nothing of the label, take the column out",
        )
    for alike in alike_names(names):
        listed = "', '".join(alike)
        once(
            logging.WARNING,
            f"{table.file}: labels '{listed}' read alike. They count as {len(alike)} labels; if they are one, spell it "
            "in one way",
        )
    if (labels == labels[0]).all():
        what = f"label '{names[labels[0]]}'" if labels.ndim == 1 else "labels"
        raise InputError(f"{table.file}: all {len(labels)} images have the same {what}; there is nothing to learn")
    return labels, names


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Return the names that differ in case, blanks, signs or the encoding of accents alone, alike ones together."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        letters = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
        alike[letters or name].append(name)
    return [together for together in alike.values() if len(together) > 1]


def _named(table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels and their names from the column label."""
    cells = table.columns[LABEL]
    for row in rows_where(cells, lambda cell: "|" in cell and "" in parts(cell)):
        raise table.fault(LABEL, row, "has an empty name beside a '|'; write it, or take the '|' out")
    several, empty = any("|" in cell for cell in cells), [row for row, cell in enumerate(cells) if not cell]
    if not several and not empty:
        kinds = _ordered(set(cells))
        number = {name: number for number, name in enumerate(kinds)}
        return np.array([number[cell] for cell in cells], dtype=np.int64), kinds
    if not several:
        once(
            logging.WARNING,
            f"{table.file}: no image has several labels, but {len(empty)} have none (first in line "
            f"{table.lines[empty[0]]}), so they are taken for images without findings; if each has one "
            "class, fill it in",
        )
    kinds = _ordered({name for cell in set(cells) for name in parts(cell)} - {""})
    return indicators(cells, kinds), kinds


def _ordered(names: set[str]) -> tuple[str, ...]:
    if all(NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))
