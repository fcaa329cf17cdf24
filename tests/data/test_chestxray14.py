"""ChestX-ray14's tables."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from repro.data.imageset import sha256_of
from repro.data.listing import Listing
from repro.data.sources.chestxray14 import IMAGES, LABELS, TABLE, TEST, TRAIN_VAL, listing
from repro.errors import InputError
from tests.data.tables import chest, written

SETTINGS: Mapping[str, Any] = {"name": "chestxray14", "size": 128, "split": "official", "csv": None, "split_seed": 0}


@pytest.fixture
def real_chest(real_data: Path) -> Path:
    if not (real_data / "chestxray14" / TABLE).exists():
        pytest.skip(f"no ChestX-ray14 in {real_data}")
    return real_data / "chestxray14"


def test_rows_become_files_findings_and_patients(root: Path):
    written(root, chest(40))
    found = listing(SETTINGS)
    assert found.files[0] == str(root / "chestxray14" / IMAGES / "00000000_000.png")
    assert found.class_names == LABELS
    assert found.channels == 1
    assert found.labels.dtype == np.uint8
    assert np.flatnonzero(found.labels[2]).tolist() == [1, 2]
    assert found.labels[1::2].sum() == 0
    assert found.groups.tolist() == [i // 2 for i in range(80)]


def test_the_test_list_is_the_test_split_and_validation_comes_from_the_other_by_patient(root: Path):
    written(root, chest(80))
    found = listing(SETTINGS)
    assert (found.split[found.groups % 4 == 0] == "test").all()
    rest = found.split[found.groups % 4 != 0]
    assert (rest == "val").sum() == 12
    assert (rest == "train").sum() == 108
    assert (found.split[::2] == found.split[1::2]).all()


def test_an_image_in_neither_list_is_in_no_split_and_said_so(root: Path, caplog: pytest.LogCaptureFixture):
    files = chest(80)
    name = f"chestxray14/{TRAIN_VAL}"
    written(root, files | {name: files[name].replace("00000001_001.png\n", "")})
    with caplog.at_level(logging.WARNING):
        assert listing(SETTINGS).split[3] == ""
    assert "1 of 160 images are in neither list" in caplog.text


def test_findings_are_told_whatever_their_order_and_the_blanks_between_them(root: Path):
    files = chest(80)
    name = f"chestxray14/{TABLE}"
    written(root, files)
    labels = listing(SETTINGS).labels
    written(root, files | {name: files[name].replace("Cardiomegaly|Effusion", " Effusion | Cardiomegaly ")})
    assert np.array_equal(listing(SETTINGS).labels, labels)


def test_the_only_split_is_official():
    with pytest.raises(InputError, match="chestxray14 has official"):
        listing(SETTINGS | {"split": "patient"})


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Listing:
    """The real listing, read once: it takes some seconds."""
    from tests.conftest import REAL_DATA

    if not (REAL_DATA / "chestxray14" / TABLE).exists():
        pytest.skip(f"no ChestX-ray14 in {REAL_DATA}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_DATA", str(REAL_DATA))
        return listing(SETTINGS)


def test_the_real_tables_have_the_published_counts(found: Listing):
    assert len(found.files) == 112120
    assert len(np.unique(found.groups)) == 30805
    assert {part: int((found.split == part).sum()) for part in ("test", "")} == {"test": 25596, "": 0}
    assert np.isin(found.split, ["train", "val"]).sum() == 86524
    counts = dict(zip(LABELS, found.labels.sum(axis=0).tolist(), strict=True))
    assert counts["Infiltration"] == 19894
    assert counts["Hernia"] == 227
    assert int((found.labels.sum(axis=1) == 0).sum()) == 60361


def test_the_real_labels_are_those_pandas_reads(found: Listing, real_chest: Path):
    theirs = pd.read_csv(real_chest / TABLE)["Finding Labels"].str.get_dummies("|")
    assert np.array_equal(found.labels, theirs[list(LABELS)].to_numpy())


def test_the_real_splits_share_no_patient_and_every_part_has_every_label(found: Listing, real_chest: Path):
    patient = pd.read_csv(real_chest / TABLE)["Patient ID"]
    assert (pd.Series(found.split).groupby(patient).nunique() == 1).all()
    official = set((real_chest / TEST).read_text().split())
    assert {name for name, part in zip(found.names, found.split, strict=True) if part == "test"} == official
    train, val = (found.labels[found.split == part] for part in ("train", "val"))
    assert len(val) == pytest.approx(8652.4, abs=2)
    assert np.abs(train.mean(axis=0) - val.mean(axis=0)).max() < 0.006
    assert val.sum(axis=0).min() >= 10  # Hernia


def test_the_real_split_is_pinned(found: Listing):
    assert sha256_of(np.flatnonzero(found.split == "val")) == (
        "1ea93587dd35751d1324ebbc579ecdc8ca6f1e1f8a85da2fab10d2672b5e7b26"
    )
