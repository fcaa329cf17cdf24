"""MedMNIST data sets, in the file format of the `medmnist` package.

A file is looked for in `$REPRO_DATA/medmnist`, then in medmnist's own cache, and is then downloaded.
"""

import hashlib
import logging
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.folder import data_folder
from repro.data.imageset import SPLITS, ImageSet
from repro.data.sources.lesions import COLUMNS, INDEX_MAP, lesion_split, read_lesions
from repro.errors import InputError

log = logging.getLogger("repro.data")

NAMES = ("dermamnist", "pneumoniamnist", "breastmnist", "chestmnist")
SIZES = (28, 64, 128, 224)
DOWNLOAD_TIMEOUT = 20.0
"""Seconds without an answer after which a download is given up."""


def load(name: str, size: int, split: str, split_seed: int = 0) -> ImageSet:
    """Read a MedMNIST data set.

    Args:
        name: one of `NAMES`.
        size: one of `SIZES`.
        split: "official", or for DermaMNIST also "lesion".
        split_seed: which division by lesion.

    Raises:
        InputError: size or split not on offer; the file is not to be had, truncated, or not of this format.
    """
    if size not in SIZES:
        raise InputError(f"data.size={size}: {name} comes in {', '.join(map(str, SIZES))} pixels")
    splits = ("official", "lesion") if name == "dermamnist" else ("official",)
    if split not in splits:
        raise InputError(f"data.split={split!r}: {name} has {' and '.join(splits)}")
    info = _info(name)
    file = _find(name, size, info)
    arrays = _read(file, size, info)
    images = np.concatenate([arrays[f"{s}_images"] for s in SPLITS])
    labels = np.concatenate([arrays[f"{s}_labels"] for s in SPLITS])
    division = np.repeat(np.array(SPLITS), [len(arrays[f"{s}_labels"]) for s in SPLITS])
    manifest = {"file": file.name, **_hashes(file, _key(info, "MD5", size))}
    lesions = read_lesions(file.parent, division) if name == "dermamnist" else None
    if split == "lesion":
        if lesions is None:
            raise InputError(
                f"data.split=lesion needs {INDEX_MAP} in {file.parent}: a CSV with columns {', '.join(COLUMNS)}, one "
                "row per image, that says which HAM10000 lesion it shows"
            )
        division = lesion_split(lesions, labels[:, 0], split_seed)
    multi_label = "multi-label" in info["task"]
    return ImageSet(
        name=name,
        images=images if images.ndim == 4 else images[..., None],
        labels=labels.astype(np.uint8) if multi_label else labels[:, 0].astype(np.int64),
        split=division,
        class_names=tuple(info["label"][str(i)] for i in range(len(info["label"]))),
        groups=None if lesions is None else lesions.number,
        manifest=manifest,
    )


def _info(name: str) -> dict[str, Any]:
    return _package().INFO[name]


def _package() -> Any:
    """Return medmnist's table of data sets; it is imported late, since that takes seconds."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to setup default root")  # a home folder that cannot be written to
        from medmnist import info
    return info


def _key(info: dict[str, Any], key: str, size: int) -> str:
    return info[key if size == 28 else f"{key}_{size}"]


def _find(name: str, size: int, info: dict[str, Any]) -> Path:
    cache = _package().DEFAULT_ROOT  # None where the home folder cannot be written to
    file = name + ("" if size == 28 else f"_{size}") + ".npz"
    ours = data_folder() / "medmnist"
    for folder in (ours, *([Path(cache)] if cache else [])):
        try:
            if (folder / file).exists():
                return folder / file
        except PermissionError:
            raise InputError(f"{folder} may not be entered. Let yourself in, or point REPRO_DATA elsewhere") from None
    return _download(_key(info, "url", size), _key(info, "MD5", size), ours, file)


def _download(url: str, md5: str, folder: Path, file: str) -> Path:
    import pooch

    log.warning("%s is not in %s nor in medmnist's cache: downloading it", file, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=DOWNLOAD_TIMEOUT)
        return Path(pooch.retrieve(url, f"md5:{md5}", file, folder, downloader=downloader))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
        raise InputError(
            f"{file} is neither in {folder} nor in medmnist's cache, and its download failed "
            f"({type(error).__name__}). Get it from {url} and put it into {folder}, or point REPRO_DATA elsewhere"
        ) from None


def _read(file: Path, size: int, info: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the six checked arrays of a MedMNIST file."""
    names = [f"{split}_{part}" for split in SPLITS for part in ("images", "labels")]
    try:
        with np.load(file, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise InputError(
                    f"{file}: it has no array {', '.join(missing)}; a MedMNIST file has {', '.join(names)}"
                )
            arrays = {name: archive[name] for name in names}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error) as error:
        raise InputError(
            f"{file} cannot be read ({error}); it seems truncated or damaged. Delete it and get it again"
        ) from None
    channels = (3,) if info["n_channels"] == 3 else ()
    columns = len(info["label"]) if "multi-label" in info["task"] else 1
    for split in SPLITS:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.dtype != np.uint8 or images.shape[1:] != (size, size, *channels):
            wanted = ", ".join(map(str, ("N", size, size, *channels)))
            raise InputError(f"{file}: {split}_images is {images.dtype} {list(images.shape)}, not uint8 [{wanted}]")
        if labels.shape != (len(images), columns) or labels.dtype.kind not in "iu":
            raise InputError(
                f"{file}: {split}_labels is {labels.dtype} {list(labels.shape)}, "
                f"not whole numbers [{len(images)}, {columns}]"
            )
        top = 1 if columns > 1 else len(info["label"]) - 1
        if len(labels) == 0 or labels.min() < 0 or labels.max() > top:
            raise InputError(f"{file}: {split}_labels is empty or has values outside 0..{top}")
    return arrays


def _hashes(file: Path, official: str) -> dict[str, Any]:
    """Return the file's hashes; warn where it is not the official file."""
    with file.open("rb") as content:
        md5 = hashlib.file_digest(content, "md5").hexdigest()
        content.seek(0)
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if md5 != official:
        log.warning(
            "%s is not the official file (MD5 %s, official %s); its hash is recorded with the run",
            file,
            md5,
            official,
        )
    return {"file_md5": md5, "file_sha256": sha256, "official": md5 == official}
