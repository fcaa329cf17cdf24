"""DermaMNIST's lesions: which images show the same one, and a split in which none is in two parts.

Of the 1,868 lesions in the official test split, 641 are also in train. Two public tables tell: which HAM10000 image
each image is, and which lesion that image shows. A table of one's own can take their place: a CSV with split, index,
lesion_id, ambiguous.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from repro.data.csvfile import Table, numbered, read_table, rows_where
from repro.data.sources.isic2019 import METADATA
from repro.data.splits import SEVENTY_TEN_TWENTY, divide
from repro.errors import InputError

INDEX_MAP = "dermamnist_index_map.csv"
COLUMNS = ("split", "index", "lesion_id", "ambiguous")
SPLIT_INFO = "dermamnist_split_info.csv"

UNSURE = {
    "train": (521, 952, 2815, 3428, 3791, 4025, 5021, 6269, 6521),
    "val": (542, 696),
    "test": (87, 193, 919, 922, 1209, 1230, 1845),
}
"""Images, by their place in the official split, that have a twin in HAM10000: by pixels alone their lesion cannot be
told. They are in no split by lesion, with any table, so that the split stays the same for ever. [us]"""
ADVICE = "get it again with `python -m repro.data fetch dermamnist`, or take it away"


@dataclass(frozen=True)
class Lesions:
    """The lesion of every image, in file order.

    Args:
        number: int64 `[N]`, equal for images of one lesion.
        ambiguous: bool `[N]`, whether the tables are unsure.
        tables: SHA-256 of each table.
    """

    number: np.ndarray
    ambiguous: np.ndarray
    tables: dict[str, str] = field(default_factory=dict)


def missing_tables(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return which public tables are still to be got; none where a table of one's own takes their place."""
    if _at(folders, INDEX_MAP):
        return ()
    return tuple(name for name in (SPLIT_INFO, METADATA) if not _at(folders, name))


def read_lesions(folders: Sequence[Path], division: np.ndarray) -> Lesions | None:
    """Return the lesions of DermaMNIST's images, or None if no table in `folders` tells them.

    Args:
        folders: where the tables may lie, the first one that has them counts.
        division: official split of every image, in file order.

    Raises:
        InputError: a table lacks columns or rows.
    """
    if own := _at(folders, INDEX_MAP):
        table = read_table(own, COLUMNS, ADVICE)
        rows = _rows(table, division)
        unsure = table.binary(["ambiguous"], ADVICE)[rows, 0] != 0
        ids = table.columns["lesion_id"]
        return Lesions(numbered(ids[row] for row in rows), unsure, {own.name: table.sha256})
    info, about = _at(folders, SPLIT_INFO), _at(folders, METADATA)
    if info is None or about is None:
        return None
    table = read_table(info, ("split", "index", "image_id"), ADVICE)
    metadata = read_table(about, ("image", "lesion_id"), ADVICE)
    lesion_of = dict(zip(metadata.columns["image"], metadata.columns["lesion_id"], strict=True))
    images = table.columns["image_id"]
    for row in rows_where(images, lambda image: not lesion_of.get(image)):
        raise table.fault("image_id", row, f"has no lesion in {about}; {ADVICE}")
    rows = _rows(table, division)
    places = {(split, str(index)) for split, indices in UNSURE.items() for index in indices}
    keys = [(table.columns["split"][row], table.columns["index"][row]) for row in rows]
    unsure = np.array([key in places for key in keys])
    hashes = {info.name: table.sha256, about.name: metadata.sha256}
    return Lesions(numbered(lesion_of[images[row]] for row in rows), unsure, hashes)


def lesion_split(lesions: Lesions, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return a split by lesion, stratified as far as lesions allow: "train", "val", "test" or "", `[N]`.

    Images whose lesion is ambiguous are in no split: they could be in two at once.

    Args:
        lesions: the lesion of every image.
        labels: int `[N]`.
        seed: which division.
    """
    clear = np.flatnonzero(~lesions.ambiguous)
    split = np.full(len(labels), "", dtype="<U5")
    split[clear] = divide("dermamnist", labels[clear], lesions.number[clear], SEVENTY_TEN_TWENTY, seed)
    return split


def _rows(table: Table, division: np.ndarray) -> list[int]:
    """Return the table's row of each image; its own order is not trusted: rows are found by (split, index)."""
    places = zip(table.columns["split"], table.columns["index"], strict=True)
    row_of = {place: row for row, place in enumerate(places)}
    seen: Counter[str] = Counter()
    rows = []
    for split in map(str, division):
        rows.append(row_of.get((split, str(seen[split])), -1))
        seen[split] += 1
    if min(rows) < 0 or len(row_of) < len(table.lines) or len(rows) < len(row_of):
        raise InputError(f"{table.file}: it must have exactly one row for every (split, index) of the images; {ADVICE}")
    return rows


def _at(folders: Sequence[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
