"""NIH ChestX-ray14: frontal chest X-rays with up to fourteen findings each.

The official test list is the test split. Validation is a tenth of the patients of the official train_val list.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.csvfile import Table, indicators, numbered, parts, read_table, read_text
from repro.data.layout import places_of, root_of, table_of
from repro.data.listing import Listing
from repro.data.splits import TENTH_FOR_VALIDATION, check_offered, divide, shared_group
from repro.errors import InputError, did_you_mean

log = logging.getLogger("repro.data")

NAME = "chestxray14"
LABELS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
NONE = "No Finding"
TABLE = "Data_Entry_2017_v2020.csv"
OLDER = "Data_Entry_2017.csv"
"""The table as it was first published; Kaggle's copy has it."""
TRAIN_VAL, TEST = "train_val_list.txt", "test_list.txt"
IMAGES = "images"
SOURCE = "get it from https://nihcc.app.box.com/v/ChestXray-NIHCC"


def listing(settings: Mapping[str, Any]) -> Listing:
    """Read the tables of ChestX-ray14.

    Args:
        settings: the config group `data`; split must be "official", split_seed says which patients validate.

    Raises:
        InputError: a table or list is missing, damaged, or disagrees with another, or the lists share a patient.
    """
    check_offered(NAME, settings["split"], ("official",))
    root = root_of(NAME, (TABLE, OLDER))
    table = read_table(table_of(root, (TABLE, OLDER)), ("Image Index", "Finding Labels", "Patient ID"), SOURCE)
    images = table.file_names("Image Index")
    labels = _findings(table)
    patients = table.filled("Patient ID", f"the table is damaged: {SOURCE}")
    groups = numbered(patients)

    split = np.full(len(images), "", dtype="<U5")
    hashes = {table.file.name: table.sha256}
    row_of = {image: row for row, image in enumerate(images)}
    for part, name in (("train", TRAIN_VAL), ("test", TEST)):
        rows, hashes[name] = _rows_of(table_of(root, (name,)), row_of)
        for row in rows[split[rows] != ""][:1]:
            raise InputError(f"{root / name}: {images[row]} is in {TRAIN_VAL} too; {SOURCE}")
        split[rows] = part
    if (shared := shared_group(groups, split)) is not None:
        patient = patients[int((groups == shared).argmax())]
        raise InputError(f"{root / TEST}: patient {patient} has images in {TRAIN_VAL} too; {SOURCE}")
    if outside := int((split == "").sum()):
        log.warning("%s: %d of %d images are in neither list, so in no split", NAME, outside, len(images))
    pool = np.flatnonzero(split == "train")
    seed = settings.get("split_seed", 0)
    split[pool] = divide(f"{NAME}, {TRAIN_VAL}", labels[pool], groups[pool], TENTH_FOR_VALIDATION, seed)
    return Listing(
        name=NAME,
        folder=root / IMAGES,
        names=tuple(images),
        places=places_of(root, IMAGES, images),
        labels=labels,
        split=split,
        class_names=LABELS,
        channels=1,
        groups=groups,
        manifest={"tables_sha256": hashes},
    )


def _findings(table: Table) -> np.ndarray:
    cells = table.filled("Finding Labels", f"an X-ray without findings says '{NONE}'")
    for cell in dict.fromkeys(cells):
        names = parts(cell)
        unknown = [name for name in names if name not in (NONE, *LABELS)]
        if not unknown and (NONE not in names or len(names) == 1):
            continue
        problem = f"has a finding and '{NONE}' at once."
        if unknown:
            problem = f"has '{unknown[0]}', none of the 14 findings.{did_you_mean(unknown[0], (NONE, *LABELS))}"
        raise table.fault("Finding Labels", cells.index(cell), f"{problem} Correct the table, or {SOURCE}")
    return indicators(cells, LABELS)


def _rows_of(file: Path, row_of: Mapping[str, int]) -> tuple[np.ndarray, str]:
    """Return the table's rows that a list names, and the list's SHA-256."""
    text, sha256 = read_text(file, SOURCE)
    rows: dict[int, None] = {}
    for line, name in enumerate(map(str.strip, text.splitlines()), start=1):
        if name and name not in row_of:
            raise InputError(f"{file}, line {line}: {name} is not in {TABLE}; {SOURCE}")
        if name and row_of[name] in rows:
            raise InputError(f"{file}, line {line}: {name} is there twice; {SOURCE}")
        if name:
            rows[row_of[name]] = None
    if not rows:
        raise InputError(f"{file}: it names no image; {SOURCE}")
    return np.array(list(rows)), sha256
