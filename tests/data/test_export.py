"""Splits and label subsets as a table."""

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro.data.export import export
from repro.data.imageset import ImageSet
from repro.data.splits import SEVENTY_TEN_TWENTY, divide
from repro.data.subsets import label_subset
from repro.errors import InputError

RNG = np.random.default_rng(0)
LABELS = RNG.choice(3, 900, p=[0.7, 0.2, 0.1])
GROUPS = RNG.integers(0, 400, 900)


@pytest.fixture
def images() -> ImageSet:
    names = tuple(f"{'a' if i % 2 else 'b'}/{i}.png" for i in range(900))
    split = divide("x", LABELS, GROUPS, SEVENTY_TEN_TWENTY, 0)
    return ImageSet("x", np.zeros((900, 8, 8, 3), np.uint8), LABELS, split, ("p", "q", "r"), GROUPS, names)


def test_an_export_names_split_group_and_label_subsets_of_every_image(images: ImageSet, tmp_path: Path):
    digest = export(images, tmp_path / "out" / "split.csv", fractions=(0.01, 0.1, 1.0), seed=3)
    content = (tmp_path / "out" / "split.csv").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["image"] for row in rows[:2]] == ["b/0.png", "a/1.png"]
    assert [row["split"] for row in rows] == images.split.tolist()
    assert [int(row["group"]) for row in rows] == GROUPS.tolist()
    for fraction in (0.01, 0.1, 1.0):
        chosen = [i for i, row in enumerate(rows) if row[f"label_fraction_{fraction:g}"] == "1"]
        assert chosen == label_subset(images, fraction, 3).tolist()


def test_another_seed_gives_other_label_subsets(images: ImageSet, tmp_path: Path):
    assert export(images, tmp_path / "0.csv", (0.1,)) == export(images, tmp_path / "1.csv", (0.1,))
    assert export(images, tmp_path / "2.csv", (0.1,), seed=1) != export(images, tmp_path / "3.csv", (0.1,))


def test_unknown_groups_are_empty_and_images_that_are_no_files_are_numbered(images: ImageSet, tmp_path: Path):
    export(replace(images, groups=None, names=None), tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_text().splitlines()[:2] == ["image,split,group", f"0,{images.split[0]},"]


def test_a_refused_export_leaves_nothing(images: ImageSet, tmp_path: Path):
    with pytest.raises(InputError, match=r"must lie in \(0, 1\]"):
        export(images, tmp_path / "split.csv", (2.0,))
    with pytest.raises(InputError, match="seeds begin at 0"):
        export(images, tmp_path / "split.csv", (0.1,), seed=-1)
    with pytest.raises(InputError, match="Name a file"):
        export(images, Path())
    assert not list(tmp_path.glob("split.csv*"))
