"""ISIC 2019, its training set: dermatoscopic images of eight diagnoses.

Its test set has no public split of its own to compare with, so the training set is divided, by lesion: a lesion is
shown by up to 31 images. Image names are taken as the table has them; 2,074 end in `_downsampled`, and so do their
files. The column UNK is a class of the test set alone, and no class here.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from repro.data.csvfile import numbered, read_table, rows_where
from repro.data.layout import places_of, root_of, table_of
from repro.data.listing import Listing
from repro.data.splits import SEVENTY_TEN_TWENTY, check_offered, divide

NAME = "isic2019"
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"
SOURCE = "get it from https://challenge.isic-archive.com/data/#2019"


def listing(settings: Mapping[str, Any]) -> Listing:
    """Read the tables of ISIC 2019.

    Args:
        settings: the config group `data`; split must be "lesion", split_seed says which division.

    Raises:
        InputError: a table is missing or is not as the challenge published it.
    """
    check_offered(NAME, settings["split"], ("lesion",))
    root = root_of(NAME, (TRUTH, f"{IMAGES}/{TRUTH}"))
    truth = read_table(table_of(root, (TRUTH,)), ("image", *CLASSES), SOURCE)
    images = [image.removesuffix(".jpg") for image in truth.file_names("image")]
    every = [*CLASSES, *(["UNK"] if "UNK" in truth.columns else [])]
    marks = truth.binary(every, f"the table is damaged: {SOURCE}")
    for row in np.flatnonzero(marks.sum(axis=1) != 1)[:1]:
        held = [name for name, mark in zip(every, marks[row], strict=True) if mark]
        raise truth.fault("image", row, f"has {' and '.join(held) or 'no class'}; an image has one class")
    for row in np.flatnonzero(marks[:, len(CLASSES) :].any(axis=1))[:1]:
        raise truth.fault("image", row, f"is UNK, which the training set never is; {SOURCE}")
    labels = marks.argmax(axis=1).astype(np.int64)

    metadata = read_table(table_of(root, (METADATA,)), ("image", "lesion_id"), SOURCE)
    shown = (image.removesuffix(".jpg") for image in metadata.file_names("image"))
    lesion_of = dict(zip(shown, metadata.columns["lesion_id"], strict=True))
    for row in rows_where(images, lambda image: image not in lesion_of):
        raise truth.fault("image", row, f"has no row in {METADATA}; {SOURCE}")
    # An image without a lesion is a lesion of its own.
    groups = numbered(lesion_of[image] or f"image {image}" for image in images)
    names = tuple(f"{image}.jpg" for image in images)
    return Listing(
        name=NAME,
        folder=root / IMAGES,
        names=names,
        places=places_of(root, IMAGES, names),
        labels=labels,
        split=divide(NAME, labels, groups, SEVENTY_TEN_TWENTY, settings.get("split_seed", 0)),
        class_names=CLASSES,
        channels=3,
        groups=groups,
        manifest={
            "tables_sha256": {TRUTH: truth.sha256, METADATA: metadata.sha256},
            "images_without_lesion": sum(not lesion_of[image] for image in images),
        },
    )
