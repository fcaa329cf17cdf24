"""Copies that are laid out otherwise than their publishers have them."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.data.sources import chestxray14, isic2019, kermany
from repro.errors import InputError
from tests.conftest import load
from tests.data.tables import chest, isic, written, xrays

PATIENTS = 40


def pictures(names: list[str]) -> dict[str, Path]:
    """Small grey images of different brightness, one per name."""
    for number, name in enumerate(names):
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), number % 256).save(file)
    return {}


def as_published(root: Path, name: str) -> list[str]:
    """Write a data set as its publisher lays it out; return its images, below its folder."""
    if name == "isic2019":
        written(root, isic(120))
        names = [f"ISIC_{i:07d}{'_downsampled' * (i % 2)}.jpg" for i in range(120)]
        images = [f"{isic2019.IMAGES}/{each}" for each in names]
    elif name == "chestxray14":
        written(root, chest(PATIENTS))
        images = [f"images/{p:08d}_{n:03d}.png" for p in range(PATIENTS) for n in (0, 1)]
    else:
        images = [file.removeprefix("kermany/") for file in xrays(PATIENTS)]
    pictures([str(root / name / image) for image in images])
    return images


def kaggle(root: Path, name: str) -> None:
    """Lay it out as its copy on Kaggle is."""
    home = root / name
    if name == "isic2019":
        (home / isic2019.IMAGES).rename(home / "x")
        (home / isic2019.IMAGES).mkdir()
        (home / "x").rename(home / isic2019.IMAGES / isic2019.IMAGES)
    elif name == "chestxray14":
        for number, file in enumerate(sorted((home / "images").iterdir())):
            folder = home / f"images_{number % 12 + 1:03d}" / "images"
            folder.mkdir(parents=True, exist_ok=True)
            file.rename(folder / file.name)
        (home / "images").rmdir()
        (home / chestxray14.TABLE).rename(home / chestxray14.OLDER)
    else:
        (home / kermany.FOLDER).rename(home / "x")
        (home / kermany.FOLDER / "__MACOSX").mkdir(parents=True)
        (home / "x").rename(home / kermany.FOLDER / kermany.FOLDER)


SPLIT = {"isic2019": "lesion", "chestxray14": "official", "kermany": "patient"}


@pytest.mark.parametrize("name", SPLIT)
def test_the_copy_on_kaggle_is_the_same_data_set(root: Path, name: str):
    as_published(root, name)
    before = load(name, 16, SPLIT[name])
    kaggle(root, name)
    after = load(name, 16, SPLIT[name])
    assert np.array_equal(before.images, after.images)
    assert np.array_equal(before.split, after.split)
    assert before.names == after.names
    assert before.manifest["inputs_sha256"] == after.manifest["inputs_sha256"]


@pytest.mark.parametrize("name", ["isic2019", "chestxray14"])
def test_a_set_in_a_folder_of_another_name_is_found(root: Path, name: str, caplog: pytest.LogCaptureFixture):
    as_published(root, name)
    (root / name).rename(root / "archive")
    with caplog.at_level(logging.INFO):
        assert len(load(name, 16, SPLIT[name]).images) > 0
    assert f"{name} is read from {root / 'archive'}" in caplog.text


def test_images_of_which_some_lie_elsewhere_are_all_found(root: Path):
    images = as_published(root, "chestxray14")
    (root / "chestxray14" / "more").mkdir()
    for image in images[::3]:
        shutil.move(root / "chestxray14" / image, root / "chestxray14" / "more")
    assert len(load("chestxray14", 16, "official").images) == 2 * PATIENTS


def test_a_refusal_names_what_lies_nearby(root: Path):
    written(root, isic(120))
    pictures([str(root / "isic2019" / "jpegs" / f"{i}.jpg") for i in range(3)])
    with pytest.raises(InputError, match=r"120 of 120 images are missing.*Nearby: .*3 image files in .*jpegs"):
        load("isic2019", 16, "lesion")
    (root / "isic2019" / isic2019.TRUTH).rename(root / "isic2019" / "truth.csv")
    with pytest.raises(InputError, match=r"GroundTruth\.csv is not there.*Nearby: .*table .*truth\.csv"):
        load("isic2019", 16, "lesion")


def test_a_file_found_elsewhere_is_hashed_again_where_it_lies(root: Path):
    from repro.data import altered
    from repro.data.folder import prepared_folder
    from tests.conftest import defaults

    as_published(root, "chestxray14")
    kaggle(root, "chestxray14")
    load("chestxray14", 16, "official")
    settings = {**defaults()["data"], "name": "chestxray14", "size": 16, "split": "official"}
    assert altered(settings, prepared_folder()) == ()
