"""Getting a MedMNIST file, and for DermaMNIST the tables that tell lesions, into `$REPRO_DATA/medmnist`.

They are small, so that a run gets them by itself.
"""

import os
from collections.abc import Sequence

from repro.data.fetch.archives import ISIC_2019, File, Official
from repro.data.fetch.installation import Installation
from repro.data.folder import data_folder
from repro.data.sources.lesions import METADATA, SPLIT_INFO

_CORRECTED = "kakumarabhishek/Corrected-Skin-Image-Datasets"
_COMMIT = "d15d70dc445c7f5960d8376f89512ea9079c4222"
_FILE = f"DermaMNIST/DermaMNIST_Analysis/{SPLIT_INFO}"

TABLES = (
    # Which HAM10000 image each image is, by the authors of DermaMNIST-C (Abhishek et al., Scientific Data 2025).
    File(
        SPLIT_INFO,
        f"https://raw.githubusercontent.com/{_CORRECTED}/{_COMMIT}/{_FILE}",
        243_056,
        None,
        page=f"https://github.com/{_CORRECTED}/blob/main/{_FILE}",
    ),
    # Which lesion each of them shows: all of HAM10000 is in the training set of ISIC 2019.
    File(METADATA, ISIC_2019 + METADATA, 1_214_351, None, page="https://challenge.isic-archive.com/data/#2019"),
)

ATTEMPTS = 2
"""Failures in a row after which a file is given up: a run that wants it waits for it."""


def get(name: str, size: int, files: Sequence[str], mirror: str | None = None, verify: bool = False) -> None:
    """Download what is not there yet into `$REPRO_DATA/medmnist`; of several processes one does.

    Args:
        name: a MedMNIST data set.
        size: of its images in pixels.
        files: names of those wanted: the images, and `TABLES`.
        mirror: URL (or path) of a folder that holds the files; default `$REPRO_MIRROR`, else their publishers.
        verify: hash again what is there.

    Raises:
        InputError: as `Installation.get`.
    """
    from medmnist import INFO  # the package takes seconds to import

    info, end = INFO[name], "" if size == 28 else f"_{size}"
    images = File(f"{name}{end}.npz", info[f"url{end}"], None, f"md5:{info[f'MD5{end}']}", strict=False)
    official = Official(
        tuple(file for file in (images, *TABLES) if file.name in files),
        images="",
        count=0,
        licence=info["license"],
        page="https://medmnist.com",
    )
    place = Installation(name, official, data_folder() / "medmnist", ATTEMPTS)
    if not place.missing(verify):
        return
    with place.alone(wait=True):
        for file in place.missing():
            place.get(file, mirror or os.environ.get("REPRO_MIRROR") or None)
        place.finish()
