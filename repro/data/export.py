"""Which image is in which split and label subset, as a table to pass on."""

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from repro.data.imageset import ImageSet
from repro.data.subsets import label_subset
from repro.errors import InputError
from repro.files import write_whole


def export(images: ImageSet, file: Path, fractions: Sequence[float] = (), seed: int = 0) -> str:
    """Write splits and label subsets as a CSV that is the same for everyone.

    Columns: image (its file below the folder that all share, or its number where images are no files), split, group (a
    number, empty where unknown), and for every fraction 0/1 in label_fraction_<fraction>.

    Args:
        images: the data set.
        file: the CSV to write; it is replaced whole or not at all.
        fractions: label fractions, each in (0, 1].
        seed: which draw of label subsets.

    Returns:
        The SHA-256 of the file.

    Raises:
        InputError: a fraction lies outside (0, 1], the seed is negative, or the file cannot be written.
    """
    if seed < 0:
        raise InputError(f"seed {seed}: seeds begin at 0")
    many = len(images.split)
    drawn = np.zeros((many, len(fractions)), dtype=np.uint8)
    for column, fraction in enumerate(fractions):
        drawn[label_subset(images, fraction, seed), column] = 1
    names = range(many) if images.names is None else images.names
    groups = [""] * many if images.groups is None else images.groups.tolist()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "split", "group", *(f"label_fraction_{fraction:g}" for fraction in fractions)])
    for name, split, group, row in zip(names, images.split, groups, drawn, strict=True):
        writer.writerow([name, split, group, *row])
    content = text.getvalue().encode()
    write_whole(file, content, make_folder=True)
    return hashlib.sha256(content).hexdigest()
