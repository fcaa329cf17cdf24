"""MedMNIST data sets, in the file format of the `medmnist` package.

A file is looked for in `$REPRO_DATA/medmnist`, in `$REPRO_DATA`, in medmnist's own cache, and is then downloaded.
"""

import hashlib
import logging
import time
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.folder import data_folder
from repro.data.imageset import SPLITS, ImageSet
from repro.data.notices import once_for_all
from repro.data.sources import isic2019
from repro.data.sources.lesions import lesion_split, missing_tables, read_lesions
from repro.errors import InputError

log = logging.getLogger("repro.data")

NAMES = ("dermamnist", "pneumoniamnist", "breastmnist", "chestmnist")
SIZES = (28, 64, 128, 224)

RETRY_AFTER = 60.0
"""Seconds for which a download that failed is not tried again: each cell of a study would wait for the network. [us]"""

_failed: dict[tuple[Path, str, int, tuple[str, ...]], tuple[float, str]] = {}
"""Downloads that failed in this process: when, and why."""


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
    file = _find(name, size)
    arrays = _read(file, size, info)
    images = np.concatenate([arrays[f"{s}_images"] for s in SPLITS])
    labels = np.concatenate([arrays[f"{s}_labels"] for s in SPLITS])
    division = np.repeat(np.array(SPLITS), [len(arrays[f"{s}_labels"]) for s in SPLITS])
    manifest: dict[str, Any] = {"file": file.name, **_hashes(file, _key(info, "MD5", size))}
    if split == "lesion" and (needed := missing_tables(_table_folders(file))):
        _download(name, size, needed)
    lesions = read_lesions(_table_folders(file), division) if name == "dermamnist" else None
    if lesions is not None:
        manifest["lesions_sha256"] = lesions.tables
    if split == "lesion":
        assert lesions is not None
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


def missing(name: str, size: int) -> tuple[str, ...]:
    """Return the names of the files of a data set that are nowhere yet: of its images, and of the tables of lesions."""
    file = _there(name, size)
    images = () if file else (_npz(name, size),)
    return images + (missing_tables(_table_folders(file)) if name == "dermamnist" else ())


def _find(name: str, size: int) -> Path:
    file = _there(name, size)
    if file is None:
        log.warning("%s is not in %s nor in medmnist's cache: downloading it", _npz(name, size), _folder())
        _download(name, size, (_npz(name, size),))
        file = _folder() / _npz(name, size)
    return file


def _there(name: str, size: int) -> Path | None:
    """Return where a file lies, or None."""
    file = _npz(name, size)
    for folder in (_folder(), data_folder(), _cache()):
        try:
            if folder is not None and (folder / file).exists():
                return folder / file
        except PermissionError:
            raise InputError(
                f"{folder} may not be entered. Change its permissions, or set REPRO_DATA to another folder"
            ) from None
    return None


def _npz(name: str, size: int) -> str:
    return f"{name}{'' if size == 28 else f'_{size}'}.npz"


def _folder() -> Path:
    return data_folder() / "medmnist"


def _cache() -> Path | None:
    """Return medmnist's own folder; None where the home folder cannot be written to."""
    root = _package().DEFAULT_ROOT
    return None if root is None else Path(root)


def _table_folders(file: Path | None) -> list[Path]:
    """Return where tables of lesions may lie: beside the images, in our folders, and with ISIC 2019."""
    beside = [] if file is None else [file.parent]
    return [*beside, _folder(), data_folder(), data_folder() / isic2019.NAME]


def _download(name: str, size: int, files: tuple[str, ...]) -> None:
    from repro.data.fetch.medmnist import get  # it stands above the sources, and is needed once

    wanted = (_folder(), name, size, files)
    when, reason = _failed.get(wanted, (-RETRY_AFTER, ""))
    if time.monotonic() < when + RETRY_AFTER:
        raise InputError(reason)
    try:
        get(name, size, files)
    except InputError as error:
        _failed[wanted] = time.monotonic(), str(error)
        raise
    except OSError as error:
        raise InputError(
            f"{_folder()} cannot be written ({error.strerror}). Set REPRO_DATA to another folder"
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
    """Return the file's hashes; warn, once, where it is not the official file."""
    with file.open("rb") as content:
        md5 = hashlib.file_digest(content, "md5").hexdigest()
        content.seek(0)
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if md5 != official:
        once_for_all(
            f"{file} is not the official file (MD5 {md5}, official {official}). Results on it are not comparable with "
            "published ones; its hash is recorded with every run, and every caption says NOT the official file"
        )
    return {"file_md5": md5, "file_sha256": sha256, "official": md5 == official}
