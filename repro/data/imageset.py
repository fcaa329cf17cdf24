"""The common form of all data sets: uint8 images with labels, groups and splits."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

SPLITS = ("train", "val", "test")

UNLABELLED = "unlabelled"
"""Split of images whose label nobody knows: methods that need no labels train on them beside the training split."""


@dataclass(frozen=True)
class ImageSet:
    """Images of one data set, in memory or memory-mapped.

    Args:
        name: the source's name.
        images: uint8 `[N, H, W, C]`, C is 1 or 3.
        labels: int64 `[N]` for multi-class, uint8 0/1 `[N, L]` for multi-label.
        split: `[N]` of "train", "val", "test", "unlabelled" (their labels are -1), or "" for images in no split.
        class_names: one per class or label.
        groups: int64 `[N]`, equal for images of one patient or lesion; None where unknown.
        names: the file of each image, below the folder that all share; None where images are no files.
        manifest: where it came from: file hashes, warnings, counts; stored with every run.
        stored_sha256: `sha256_of_images`, where it is stored with them: nobody hashes 45 GB for every run.

    Raises:
        ValueError: the arrays do not fit together.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    class_names: tuple[str, ...]
    groups: np.ndarray | None = None
    names: tuple[str, ...] | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    stored_sha256: str | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] not in (1, 3):
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}, not uint8 [N, H, W, 1 or 3]")
        if len(self.labels) != n or len(self.split) != n or (self.groups is not None and len(self.groups) != n):
            raise ValueError(f"{n} images, but {len(self.labels)} labels and {len(self.split)} split entries")
        known = self.labels[np.isin(self.split, SPLITS)]  # others may lack a label
        if self.labels.ndim == 1 and known.size and not (known.min() >= 0 and known.max() < len(self.class_names)):
            raise ValueError(f"labels outside 0..{len(self.class_names) - 1}")
        if self.labels.ndim == 2 and self.labels.shape[1] != len(self.class_names):
            raise ValueError(f"{self.labels.shape[1]} label columns for {len(self.class_names)} names")

    @property
    def multi_label(self) -> bool:
        """Whether an image can have several labels, or none."""
        return self.labels.ndim == 2

    def indices(self, split: str) -> np.ndarray:
        """Return the int64 indices of a split, ascending."""
        return np.flatnonzero(self.split == split)

    @property
    def unlabelled(self) -> np.ndarray:
        """The int64 indices of images without a known label, ascending."""
        return self.indices(UNLABELLED)

    @property
    def pretraining(self) -> np.ndarray:
        """The int64 indices of what methods without labels train on, ascending: the training split, and these."""
        return np.flatnonzero((self.split == "train") | (self.split == UNLABELLED))

    def counts(self, split: str) -> list[int]:
        """Return the number of images per class (or with each label) in a split."""
        labels = self.labels[self.indices(split)]
        if self.multi_label:
            return [int(c) for c in labels.sum(axis=0)]
        return [int(c) for c in np.bincount(labels, minlength=len(self.class_names))]

    @cached_property
    def images_sha256(self) -> str:
        """`sha256_of_images`: the stored one if there is one, else computed once."""
        return self.stored_sha256 or sha256_of_images(self.images)

    def sha256_with(self, *arrays: np.ndarray) -> str:
        """Return the SHA-256 of the images together with arrays that belong to them, such as labels or indices."""
        return hashlib.sha256(f"{self.images_sha256} {sha256_of(*arrays)}".encode()).hexdigest()

    def gaps(self) -> list[str]:
        """Return what this copy lacks of its data set, a sentence each."""
        missing, corrupt = self.manifest.get("missing"), self.manifest.get("corrupt")
        found = [f"{missing['total']:,} of {missing['of']:,} images are MISSING from this copy"] if missing else []
        return found + ([f"{len(corrupt):,} damaged files are left out"] if corrupt else [])

    def unscored(self, split: str) -> list[str]:
        """Return the classes or labels that all images of a split have, or none: they can have no AUC there."""
        images = len(self.indices(split))
        return [name for name, count in zip(self.class_names, self.counts(split), strict=True) if count in (0, images)]

    def describe(self) -> dict[str, Any]:
        """Return the plain record of this set that a run stores."""
        sizes = {split: len(self.indices(split)) for split in SPLITS}
        unlabelled = {UNLABELLED: n} if (n := len(self.unlabelled)) else {}
        return {
            "name": self.name,
            "task": "multi-label" if self.multi_label else "multi-class",
            "shape": list(self.images.shape[1:]),
            "class_names": list(self.class_names),
            "images": sizes,
            "per_class": {split: self.counts(split) for split in SPLITS},
            "without_split": int(len(self.images) - sum(sizes.values()) - n),
            **unlabelled,
            "splits_sha256": {split: sha256_of(self.indices(split)) for split in SPLITS},
            "sha256": self.sha256_with(self.labels),
            **self.manifest,
        }


def sha256_of(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of arrays' shapes, types and bytes: the same data, the same hash, anywhere."""
    sha = hashlib.sha256()
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        sha.update(f"{little.dtype.str}{little.shape}".encode())
        sha.update(little.data)
    return sha.hexdigest()


def sha256_of_images(images: np.ndarray) -> str:
    """Return the SHA-256 of uint8 `[N, H, W, C]`: of the shape of an image, and of each image's own SHA-256 in order.

    So that whoever makes the images can hash each as it is made, many at a time.
    """
    return sha256_of_sums(
        images.shape[1:], (hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images)
    )


def sha256_of_sums(shape: tuple[int, ...], sums: Iterable[bytes]) -> str:
    """Return `sha256_of_images` from the shape `(H, W, C)` of an image and each image's SHA-256 (32 bytes)."""
    sha = hashlib.sha256(f"|u1{tuple(map(int, shape))}".encode())
    for each in sums:
        sha.update(each)
    return sha.hexdigest()
