"""DermaMNIST's lesions: which images show the same one, and a split in which none is in two parts.

Of the 1,868 lesions in the official test split, 641 are also in train. The index map (a CSV with split, index,
lesion_id, ambiguous) says which HAM10000 lesion each image shows.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repro.data.csvfile import numbered, read_table
from repro.data.splits import SEVENTY_TEN_TWENTY, divide
from repro.errors import InputError

INDEX_MAP = "dermamnist_index_map.csv"
COLUMNS = ("split", "index", "lesion_id", "ambiguous")


@dataclass(frozen=True)
class Lesions:
    """The lesion of every image, in file order.

    Args:
        number: int64 `[N]`, equal for images of one lesion.
        ambiguous: bool `[N]`, whether the index map is unsure.
    """

    number: np.ndarray
    ambiguous: np.ndarray


def read_lesions(folder: Path, division: np.ndarray) -> Lesions | None:
    """Return the lesions of DermaMNIST's images, or None if there is no index map in `folder`.

    Args:
        folder: where the index map lies.
        division: official split of every image, in file order.

    Raises:
        InputError: the index map lacks columns or rows.
    """
    file = folder / INDEX_MAP
    if not file.is_file():
        return None
    table = read_table(file, COLUMNS, "get it again, or take it away")
    # The map's own order is not trusted: rows are found by (split, index).
    places = zip(table.columns["split"], table.columns["index"], strict=True)
    row_of = {place: row for row, place in enumerate(places)}
    seen: Counter[str] = Counter()
    rows = []
    for split in map(str, division):
        rows.append(row_of.get((split, str(seen[split])), -1))
        seen[split] += 1
    if min(rows) < 0 or len(row_of) < len(table.lines):
        raise InputError(f"{file}: it must have exactly one row for every (split, index) of the images")
    unsure = table.binary(["ambiguous"], "get it again, or take it away")[rows, 0] != 0
    return Lesions(numbered(table.columns["lesion_id"][row] for row in rows), unsure)


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
