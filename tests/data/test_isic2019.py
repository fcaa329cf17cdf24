"""ISIC 2019's tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from repro.data.imageset import sha256_of
from repro.data.sources.isic2019 import CLASSES, IMAGES, METADATA, TRUTH, listing
from repro.data.splits import shared_group
from repro.errors import InputError
from tests.data.tables import isic, written

SETTINGS: Mapping[str, Any] = {"name": "isic2019", "size": 128, "split": "lesion", "csv": None, "split_seed": 0}


@pytest.fixture
def real_isic(real_data: Path) -> Path:
    if not (real_data / "isic2019" / TRUTH).exists():
        pytest.skip(f"no ISIC 2019 in {real_data}")
    return real_data / "isic2019"


def test_rows_become_files_classes_and_lesions(root: Path):
    written(root, isic(60))
    found = listing(SETTINGS)
    assert found.files[1] == str(root / "isic2019" / IMAGES / "ISIC_0000001_downsampled.jpg")
    assert found.labels.tolist() == [i % 8 for i in range(60)]
    assert found.class_names == CLASSES
    assert found.channels == 3
    # Three images each show one lesion, except the first nine, whose lesion is not known.
    assert len(set(found.groups[:9])) == 9
    assert [len(set(found.groups[i : i + 3])) for i in range(9, 60, 3)] == [1] * 17
    assert len(set(found.groups)) == 9 + 17
    assert found.manifest["images_without_lesion"] == 9


def test_the_metadatas_order_does_not_matter(root: Path):
    files = isic(60)
    written(root, files)
    groups = listing(SETTINGS).groups
    head, *rows = files[f"isic2019/{METADATA}"].splitlines()
    written(root, files | {f"isic2019/{METADATA}": "\n".join([head, *reversed(rows)])})
    assert np.array_equal(listing(SETTINGS).groups, groups)


def test_a_truth_without_the_column_unk_is_the_same(root: Path):
    files = isic(60)
    written(root, files)
    labels = listing(SETTINGS).labels
    name = f"isic2019/{TRUTH}"
    written(root, files | {name: "\n".join(row.rpartition(",")[0] for row in files[name].splitlines())})
    assert np.array_equal(listing(SETTINGS).labels, labels)


def test_another_split_seed_is_another_division_of_the_same_images(root: Path):
    written(root, isic(120))
    first, again, other = (listing(SETTINGS | {"split_seed": seed}) for seed in (0, 0, 1))
    assert np.array_equal(first.split, again.split)
    assert not np.array_equal(first.split, other.split)
    assert first.files == other.files


def test_the_only_split_is_by_lesion():
    with pytest.raises(InputError, match=r"data\.split='official': isic2019 has lesion"):
        listing(SETTINGS | {"split": "official"})


def test_the_real_tables_have_the_published_counts(real_isic: Path):
    found = listing(SETTINGS)
    counts = dict(zip(found.class_names, np.bincount(found.labels).tolist(), strict=True))
    expected = {"NV": 12875, "MEL": 4522, "BCC": 3323, "BKL": 2624, "AK": 867, "SCC": 628, "VASC": 253, "DF": 239}
    assert counts == expected
    assert len(found.files) == 25331
    assert 25331 - found.manifest["images_without_lesion"] == 23247
    assert {file.name for file in (real_isic / IMAGES).iterdir()} <= set(found.names)


def test_the_real_split_shares_no_lesion_and_keeps_every_class_in_proportion(real_isic: Path):
    found = listing(SETTINGS)
    lesion = pd.read_csv(real_isic / METADATA)["lesion_id"]
    assert (pd.Series(found.split).groupby(lesion).nunique() == 1).all()
    assert shared_group(found.groups, found.split) is None
    whole = np.bincount(found.labels) / len(found.labels)
    for part, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        inside = found.labels[found.split == part]
        assert len(inside) == pytest.approx(share * 25331, abs=2)
        assert np.abs(np.bincount(inside) / len(inside) - whole).max() < 0.001


def test_the_real_split_is_pinned(real_isic: Path):
    assert sha256_of(np.flatnonzero(listing(SETTINGS).split == "test")) == (
        "839c0310488fa8bf698cfb70abf0abb2d71ffa3840cf363af67dacddd8205e3a"
    )
