"""Which images of a table belong together: the column `group`, or columns whose names read like a patient's."""

import logging
import re
from collections.abc import Sequence

import numpy as np

from repro.data.csvfile import BINARY, Table, numbered
from repro.data.notices import once

GROUP = "group"
ONES = (
    "patient", "subject", "participant", "person", "individual", "donor", "case", "lesion", "study", "studyinstance",
    "exam", "examination", "accession", "visit", "eye", "slide", "wsi", "specimen",
)  # fmt: skip
"""What several images can be of, so that all belong in one split. [us]"""
SUFFIXES = ("id", "ids", "uid", "identifier", "number", "num", "no", "nr", "key", "code", "name", "index", "hash")
NAMES_ONE = re.compile(rf"(id)?(anon|anonymi[sz]ed|deidentified)?({'|'.join(ONES)})s?({'|'.join(SUFFIXES)})?|mrn|pid")

PATIENT_OF_PATH = re.compile(
    r"(?:^|/)((?:patient|subject|sub|person|participant|case|lesion)[-_ ]?\d+)(?![^\W_])", re.I
)
"""A folder or file name that begins with a patient's number."""


def group_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that say which images belong together: `group` alone, or all that read like it.

    A column of 0 and 1 alone is a label, whatever it is called.
    """
    if GROUP in table.columns:
        return (GROUP,)
    return tuple(name for name, cells in table.columns.items() if names_one(name) and not set(cells) <= set(BINARY))


def names_one(column: str) -> bool:
    """Whether a column's name reads like a patient, lesion, study or subject: patient_id, "Lesion ID", subjectNo."""
    return NAMES_ONE.fullmatch(re.sub(r"[\W_]", "", column.lower())) is not None


def groups_of(table: Table, columns: Sequence[str]) -> np.ndarray | None:
    """Return a number for each image, int64 `[N]`, equal for images that share a cell of any of the columns.

    Args:
        table: the table.
        columns: as `group_columns` returns them; of none, None is returned.

    Raises:
        InputError: a cell is empty.
    """
    if not columns:
        return None
    advice = "give every image a group; one that stands alone has one of its own"
    each = [numbered(table.filled(column, advice)) for column in columns]
    groups = each[0] if len(each) == 1 else _joined(each)
    if columns != (GROUP,):
        taken = f"'{columns[0]}' is taken for" if len(columns) == 1 else f"{' and '.join(columns)} are taken for"
        once(
            logging.WARNING,
            f"{table.file}: no column '{GROUP}', so {taken} it: images that share a cell there stay in one split "
            f"({len(np.unique(groups))} groups). If that is wrong, call the right column '{GROUP}'",
        )
    return groups


def groups_of_paths(table: Table) -> np.ndarray | None:
    """Return a number for each image by the folder or the beginning of the file name that names its patient, or None.

    As in CheXpert (patient00001/study1/view1.jpg) and BIDS (sub-01/anat/x.png). Every path has to name one, and some
    the same.
    """
    found = [PATIENT_OF_PATH.search(cell) for cell in table.columns["path"]]
    patients = [match.group(1).lower() if match else "" for match in found]
    if "" in patients or len(set(patients)) == len(patients):
        return None
    once(
        logging.WARNING,
        f"{table.file}: no column '{GROUP}', but every path names one, such as {patients[0]}: images of one stay in "
        f"one split ({len(set(patients))} groups). If that is wrong, add a column '{GROUP}'",
    )
    return numbered(patients)


def _joined(each: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of each image's part of the graph in which images with an equal number are linked."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    images = len(each[0])
    offsets = np.cumsum([images, *(numbers.max() + 1 for numbers in each)])
    ends = np.concatenate([numbers + offset for numbers, offset in zip(each, offsets[:-1], strict=True)])
    starts = np.tile(np.arange(images), len(each))
    links = coo_array((np.ones(len(ends), bool), (starts, ends)), shape=(offsets[-1], offsets[-1]))
    parts = connected_components(links, directed=False)[1][:images]
    return numbered(map(str, parts))
