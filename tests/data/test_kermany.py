"""The Kermany set's folders and file names."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.data.imageset import sha256_of
from repro.data.sources.kermany import listing, patient
from repro.data.splits import shared_group
from repro.errors import InputError
from tests.data.tables import written, xrays

SETTINGS: Mapping[str, Any] = {"name": "kermany", "size": 128, "split": "patient", "csv": None, "split_seed": 0}


@pytest.fixture
def real_kermany(real_data: Path) -> Path:
    if not (real_data / "kermany" / "chest_xray" / "train").is_dir():
        pytest.skip(f"no Kermany images in {real_data}")
    return real_data / "kermany" / "chest_xray"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("person1_bacteria_1.jpeg", "person1_bacteria_2.jpeg", True),
        ("person1_bacteria_1.jpeg", "person1_virus_6.jpeg", False),
        ("person1_bacteria_1.jpeg", "person10_bacteria_43.jpeg", False),
        ("person1372_virus_2365_1.jpeg", "person1372_virus_2366.jpeg", True),
        ("IM-0543-0001-0002.jpeg", "IM-0543-0001.jpeg", True),
        ("IM-0440-0001.jpeg", "NORMAL2-IM-0440-0001.jpeg", False),
        ("NORMAL2-IM-0440-0001.jpeg", "NORMAL2-IM-0441-0001.jpeg", False),
        ("VIRUS-1008087-0001.jpeg", "BACTERIA-1008087-0002.jpeg", True),
        ("scan.jpeg", "scan2.jpeg", False),
    ],
)
def test_the_file_name_tells_the_patient(one: str, other: str, same: bool):
    assert (patient(one) == patient(other)) is same


def test_official_is_the_folders(root: Path):
    written(root, xrays(20))
    found = listing(SETTINGS | {"split": "official"})
    assert {part: int((found.split == part).sum()) for part in ("train", "val", "test")} == {
        "train": 80,
        "val": 2,
        "test": 40,
    }
    for file, label, part in zip(found.files, found.labels, found.split, strict=True):
        assert Path(file).is_file()
        assert Path(file).parts[-3:-1] == (part, ("NORMAL", "PNEUMONIA")[label])
    assert found.channels == 1


def test_by_patient_keeps_the_test_folder_and_divides_the_rest(root: Path):
    written(root, xrays(50))
    found = listing(SETTINGS)
    assert all(
        (file.split("/")[-3] == "test") == (part == "test") for file, part in zip(found.files, found.split, strict=True)
    )
    assert shared_group(found.groups, found.split) is None
    assert (found.split == "val").sum() == pytest.approx(20, abs=2)
    assert found.labels[found.split == "val"].mean() == pytest.approx(0.5, abs=0.06)


def test_a_copy_without_val_can_be_divided_by_patient_only(root: Path):
    written(root, {name: content for name, content in xrays(50).items() if "/val/" not in name})
    assert set(listing(SETTINGS).split) == {"train", "val", "test"}
    with pytest.raises(InputError, match=r"val/NORMAL is not there; get ChestXRay2017\.zip"):
        listing(SETTINGS | {"split": "official"})


def test_a_patient_of_the_test_split_is_taken_out_of_the_others(root: Path, caplog: pytest.LogCaptureFixture):
    written(root, xrays(50) | {"kermany/chest_xray/train/PNEUMONIA/person3_bacteria_99.jpeg": b""})
    with caplog.at_level(logging.WARNING):
        found = listing(SETTINGS)
    assert [name.split("/")[-1] for name in np.array(found.names)[found.split == ""]] == ["person3_bacteria_99.jpeg"]
    assert "1 images of patients of the test split are in no split" in caplog.text


def test_what_is_no_image_is_passed_over(root: Path):
    folder = "kermany/chest_xray/train/NORMAL"
    written(
        root, xrays(20) | {f"{folder}/.DS_Store": b"", f"{folder}/._IM-0001-0001.jpeg": b"", f"{folder}/a.txt": b""}
    )
    assert len(listing(SETTINGS).files) == 122


def test_an_empty_folder_is_refused(root: Path):
    written(root, {name: content for name, content in xrays(20).items() if "test/NORMAL" not in name})
    with pytest.raises(InputError, match="test/NORMAL is not there"):
        listing(SETTINGS)
    (root / "kermany/chest_xray/test/NORMAL").mkdir()
    with pytest.raises(InputError, match=r"test/NORMAL has no image \(\.jpeg, \.jpg, \.png\)"):
        listing(SETTINGS)


def test_the_real_files_have_the_published_counts(real_kermany: Path):
    found = listing(SETTINGS | {"split": "official"})
    assert [int((found.split == part).sum()) for part in ("train", "val", "test")] == [5216, 16, 624]
    assert np.bincount(found.labels).tolist() == [1583, 4273]
    assert shared_group(found.groups, found.split) is None  # what makes series of their own credible


def test_the_real_division_by_patient_is_pinned_and_in_proportion(real_kermany: Path):
    found = listing(SETTINGS)
    train, val = (found.labels[found.split == part] for part in ("train", "val"))
    assert len(train) + len(val) == 5232
    assert len(val) == pytest.approx(523.2, abs=2)
    assert abs(train.mean() - val.mean()) < 0.002
    assert shared_group(found.groups, found.split) is None
    assert sha256_of(np.flatnonzero(found.split == "val")) == (
        "1197c1a28f8367c68f11a711cc6c360ae7f810cd4fdde2fe562940a3f5541e10"
    )
