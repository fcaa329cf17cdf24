"""A data set as its tables describe it, before any image is opened."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Listing:
    """The images of a data set as files, with all that is known of them.

    It comes from the data set's tables alone, so that a copy that lacks images divides those it has as the whole
    set does.

    Args:
        name: the source's name.
        folder: the folder, absolute, that all files have in common.
        names: N files below it, folders written with "/"; a file need not be there.
        labels: int64 `[N]` for multi-class, uint8 0/1 `[N, L]` for multi-label.
        split: `[N]` of "train", "val", "test", or "" for images in no split.
        class_names: one per class or label.
        channels: 1 or 3, what the images are stored as.
        groups: int64 `[N]`, equal for images of one patient or lesion; None where unknown.
        manifest: hashes of the tables, and notes worth keeping with every run.
        places: where each file lies below the folder, if a copy is laid out otherwise than its names say.
        home: what beside the folder tells one prepared set from another, such as the table: each has a place of its
            own.
    """

    name: str
    folder: Path
    names: tuple[str, ...]
    labels: np.ndarray
    split: np.ndarray
    class_names: tuple[str, ...]
    channels: int
    groups: np.ndarray | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] | None = None
    home: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The path of each file. They are text, since to make and to look at 100,000 of class Path takes seconds."""
        folder = str(self.folder)
        return tuple(os.path.join(folder, name) for name in self.places or self.names)  # noqa: PTH118
