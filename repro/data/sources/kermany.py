"""Kermany's paediatric chest X-rays, pneumonia or normal, as folders: chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}.

It has no tables: the file names are its table, so a copy with files missing divides differently from the whole set.

Patients are read from the names [us]: person7_virus_20 is patient 7 of the virus series, NORMAL2-IM-0381-0001
patient 381 of the series NORMAL2-IM. Each series counts for itself, as the copy itself shows: 170 person numbers are in
both train and test, but always one as bacteria and one as virus; and images with one number in two series are no more
alike than random ones of these series (mean correlation at 32 px 0.710 against 0.708; within a series 0.745).
The newer release names files VIRUS-1008087-0001, with a patient number for all series.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.csvfile import numbered
from repro.data.imageset import SPLITS
from repro.data.layout import nearby, root_of
from repro.data.listing import Listing
from repro.data.splits import TENTH_FOR_VALIDATION, check_offered, divide
from repro.errors import InputError

log = logging.getLogger("repro.data")

NAME = "kermany"
FOLDER = "chest_xray"
CLASSES = ("NORMAL", "PNEUMONIA")
CLASSES_OF_TRAIN = tuple(f"train/{name}" for name in CLASSES)
ENDINGS = (".jpeg", ".jpg", ".png")
PATIENT = re.compile(
    r"(?P<person>person\d+_(?:bacteria|virus))_|(?P<series>(?:NORMAL2-)?IM-\d+)-|(?:BACTERIA|VIRUS|NORMAL)-(?P<id>\d+)-"
)
SOURCE = "get ChestXRay2017.zip from https://data.mendeley.com/datasets/rscbjbr9sj and unpack it there"


def listing(settings: Mapping[str, Any]) -> Listing:
    """Read the file names of the Kermany set.

    Args:
        settings: the config group `data`; split is "official" (the folders; val has 16 images only), or "patient":
            the official test split, and a tenth of the other patients for validation, by split_seed.

    Raises:
        InputError: a folder is missing or has no image.
    """
    check_offered(NAME, settings["split"], ("official", "patient"))
    root = _root()
    found = [
        (split, label, file)
        for split in SPLITS
        for label, class_name in enumerate(CLASSES)
        # The copy that has no val folder can still be divided by patient.
        if split != "val" or settings["split"] == "official" or (root / "val").is_dir()
        for file in _images(root / split / class_name)
    ]
    names = tuple(file.relative_to(root).as_posix() for _, _, file in found)
    labels = np.array([label for _, label, _ in found], dtype=np.int64)
    groups = numbered(patient(file.name) for _, _, file in found)
    split = np.array([split for split, _, _ in found], dtype="<U5")
    if settings["split"] == "patient":
        split = _by_patient(labels, groups, split, settings.get("split_seed", 0))
    return Listing(
        name=NAME,
        folder=root,
        names=names,
        labels=labels,
        split=split,
        class_names=CLASSES,
        channels=1,
        groups=groups,
        manifest={"names_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest()},
    )


def patient(name: str) -> str:
    """Return whom a file shows, as far as its name tells; else the name itself."""
    match = PATIENT.match(name)
    return next(filter(None, match.groups())) if match else name


def _root() -> Path:
    """Return the folder that holds train and test: chest_xray, or one of the same name in it, as in Kaggle's copy."""
    home = root_of(NAME, (FOLDER, *CLASSES_OF_TRAIN))
    places = (home / FOLDER, home / FOLDER / FOLDER, home)
    return next((place for place in places if (place / CLASSES_OF_TRAIN[0]).is_dir()), places[0])


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is not there; {SOURCE}{nearby(folder.parent.parent)}")
    # Archives made on a Mac hold a shadow "._name" of every file.
    images = (f for f in folder.iterdir() if f.suffix.lower() in ENDINGS and not f.name.startswith("."))
    files = sorted(images, key=lambda file: file.name)
    if not files:
        raise InputError(f"{folder} has no image ({', '.join(ENDINGS)}); {SOURCE}")
    return files


def _by_patient(labels: np.ndarray, groups: np.ndarray, official: np.ndarray, seed: int) -> np.ndarray:
    tested = official == "test"
    leaking = np.isin(groups, groups[tested]) & ~tested
    if leaking.any():
        log.warning("%s: %d images of patients of the test split are in no split", NAME, leaking.sum())
    pool = np.flatnonzero(~tested & ~leaking)
    split = np.where(tested, "test", "").astype("<U5")
    split[pool] = divide(NAME, labels[pool], groups[pool], TENTH_FOR_VALIDATION, seed)
    return split
