"""MedMNIST files: where they are looked for, what is refused, and what the real ones hold."""

import csv
import logging
import re
from collections.abc import Callable
from pathlib import Path

import medmnist
import numpy as np
import pytest
from medmnist import INFO

from repro.data import notices
from repro.data.fetch.medmnist import TABLES
from repro.data.sources.lesions import INDEX_MAP, METADATA, SPLIT_INFO
from repro.data.sources.medmnist import load
from repro.errors import InputError

SPLITS = ("train", "val", "test")


def arrays(n: int = 12, channels: int = 3, classes: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (n, 28, 28, 3) if channels == 3 else (n, 28, 28)
    made = {f"{s}_images": rng.integers(0, 256, shape, dtype=np.uint8) for s in SPLITS}
    return made | {f"{s}_labels": (np.arange(n) % classes).astype(np.uint8)[:, None] for s in SPLITS}


def written(folder: Path, content: dict[str, np.ndarray], name: str = "dermamnist") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", **content)
    return folder / f"{name}.npz"


def test_a_file_is_read_as_medmnist_itself_reads_it(folder: Path):
    content = arrays()
    written(folder, content)
    ours = load("dermamnist", 28, "official")
    for split in SPLITS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(medmnist.INFO["dermamnist"]["n_samples"], split, 12)
            peer = medmnist.DermaMNIST(split=split, root=str(folder))
        index = ours.indices(split)
        assert np.array_equal(ours.images[index], peer.imgs)
        assert np.array_equal(ours.labels[index], peer.labels[:, 0])
    assert list(ours.class_names) == list(INFO["dermamnist"]["label"].values())


def test_a_grey_file_gets_one_channel(folder: Path):
    written(folder, arrays(channels=1, classes=2), "breastmnist")
    assert load("breastmnist", 28, "official").images.shape == (36, 28, 28, 1)


def test_several_labels_per_image_are_kept_as_columns(folder: Path):
    content = arrays(channels=1)
    labels = np.random.default_rng(1).integers(0, 2, (12, 14), dtype=np.uint8)
    written(folder, content | {f"{s}_labels": labels for s in SPLITS}, "chestmnist")
    images = load("chestmnist", 28, "official")
    assert images.multi_label
    assert np.array_equal(images.labels[images.indices("val")], labels)


def test_our_folder_comes_before_medmnists_cache(folder: Path):
    written(folder.parent / "cache", arrays(12))
    assert len(load("dermamnist", 28, "official").images) == 36
    written(folder, arrays(20))
    assert len(load("dermamnist", 28, "official").images) == 60


def test_a_file_that_is_not_the_official_one_is_read_with_a_warning_and_its_hash(folder: Path, caplog):
    file = written(folder, arrays())
    with caplog.at_level(logging.WARNING):
        manifest = load("dermamnist", 28, "official").describe()
    import hashlib

    assert manifest["official"] is False
    assert manifest["file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "not the official file" in caplog.text
    assert INFO["dermamnist"]["MD5"] in caplog.text


def refusal(folder: Path, content: dict[str, np.ndarray]) -> str:
    written(folder, content)
    with pytest.raises(InputError) as error:
        load("dermamnist", 28, "official")
    assert str(folder / "dermamnist.npz") in str(error.value)
    return str(error.value)


def test_a_missing_array_is_named(folder: Path):
    content = arrays()
    del content["val_labels"]
    assert "no array val_labels" in refusal(folder, content)


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("train_labels", np.zeros(12, np.uint8), "train_labels is uint8 [12], not whole numbers [12, 1]"),
        ("test_labels", np.zeros((11, 1), np.uint8), "test_labels is uint8 [11, 1], not whole numbers [12, 1]"),
        ("test_labels", np.zeros((12, 1)), "test_labels is float64"),
        ("val_labels", np.full((12, 1), 7, np.uint8), "outside 0..6"),
        ("train_images", np.zeros((12, 28, 28), np.uint8), "not uint8 [N, 28, 28, 3]"),
        ("train_images", np.zeros((12, 28, 28, 3), np.float32), "train_images is float32"),
        ("train_images", np.zeros((12, 64, 64, 3), np.uint8), "not uint8 [N, 28, 28, 3]"),
    ],
)
def test_an_array_of_the_wrong_shape_type_or_range_is_described(
    folder: Path, name: str, array: np.ndarray, complaint: str
):
    assert complaint in refusal(folder, arrays() | {name: array})


def test_pickled_arrays_are_never_loaded(folder: Path):
    trap = np.array([{"a": 1}] * 12, dtype=object)
    assert "cannot be read" in refusal(folder, arrays() | {"train_labels": trap})


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_a_truncated_file_is_named_wherever_it_ends(folder: Path, keep: float):
    file = written(folder, arrays())
    content = file.read_bytes()
    file.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(InputError, match="truncated or damaged"):
        load("dermamnist", 28, "official")


def test_a_flipped_byte_inside_an_array_is_found(folder: Path):
    file = written(folder, arrays())
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        load("dermamnist", 28, "official")


def test_sizes_and_splits_that_do_not_exist_are_refused_with_those_that_do():
    with pytest.raises(InputError, match="28, 64, 128, 224"):
        load("dermamnist", 32, "official")
    with pytest.raises(InputError, match="official and lesion"):
        load("dermamnist", 28, "patient")
    with pytest.raises(InputError, match="breastmnist has official"):
        load("breastmnist", 28, "lesion")


def test_a_file_in_the_data_folder_itself_is_found(folder: Path):
    written(folder.parent, arrays())
    assert len(load("dermamnist", 28, "official").images) == 36


def test_that_a_file_is_not_official_is_said_once_and_with_the_consequence(folder: Path, caplog):
    written(folder, arrays())
    for _ in range(2):
        notices._log.cache_clear()  # as another process would find it
        load("dermamnist", 28, "official")
    (said,) = [record.getMessage() for record in caplog.records if "not the official file" in record.getMessage()]
    assert "not comparable with published ones" in said


def tables(real_data: Path) -> dict[str, bytes]:
    """The public tables that tell lesions, as they are published, rebuilt from the copy's own index map."""
    with (real_data / "medmnist" / INDEX_MAP).open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (SPLITS.index(row["split"]), int(row["index"])))
    lines = [f"{row['split']},{row['index']},{row['isic_id']}\r\n" for row in rows]
    metadata = (real_data / "isic2019" / METADATA).read_bytes()
    return {SPLIT_INFO: ("split,index,image_id\r\n" + "".join(lines)).encode(), METADATA: metadata}


@pytest.fixture
def public(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real images with the public tables, and no index map."""
    home = tmp_path / "internet" / "medmnist"
    home.mkdir(parents=True)
    (home / "dermamnist.npz").symlink_to(real_data / "medmnist" / "dermamnist.npz")
    for name, content in tables(real_data).items():
        (home / name).write_bytes(content)
    monkeypatch.setenv("REPRO_DATA", str(home.parent))
    return home


def test_the_public_tables_are_of_the_published_size(real_data: Path):
    assert {name: len(content) for name, content in tables(real_data).items()} == {
        file.name: file.bytes for file in TABLES
    }


def test_the_public_tables_give_the_lesions_and_the_split_of_the_index_map(public: Path, real_data: Path, monkeypatch):
    found = {split: load("dermamnist", 28, split) for split in ("official", "lesion")}
    monkeypatch.setenv("REPRO_DATA", str(real_data))
    for split, images in found.items():
        own = load("dermamnist", 28, split)
        assert np.array_equal(images.groups, own.groups)
        assert np.array_equal(images.split, own.split)
    assert set(found["lesion"].manifest["lesions_sha256"]) == {SPLIT_INFO, METADATA}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text.replace("train,5,", "train,6,", 1), "exactly one row for every"),
        (lambda text: text.replace("ISIC_0027615", "ISIC_9999999", 1), "line 2, column 'image_id': 'ISIC_9999999' has"),
        (lambda text: text.replace("image_id", "name", 1), "no column 'image_id'"),
    ],
)
def test_a_public_table_that_is_damaged_is_named(public: Path, change: Callable[[str], str], complaint: str):
    file = public / SPLIT_INFO
    file.write_text(change(file.read_text()))
    with pytest.raises(InputError, match=re.escape(complaint)) as error:
        load("dermamnist", 28, "lesion")
    assert str(file) in str(error.value)


def test_real_dermamnist_has_its_official_counts(real_data: Path):
    images = load("dermamnist", 28, "official")
    for split in SPLITS:
        assert len(images.indices(split)) == INFO["dermamnist"]["n_samples"][split]
    assert len(np.intersect1d(*(np.unique(images.groups[images.indices(s)]) for s in ("train", "test")))) == 641


def test_the_real_lesion_split_is_for_ever_the_same(real_data: Path):
    images = load("dermamnist", 28, "lesion")
    assert images.describe()["splits_sha256"] == {
        "train": "52d6293989c54c26ed7272fc33a8bad91878756c31eab5f2d515a5d3fe63da82",
        "val": "1c7691714a530622c3af4c55493604676175382227e18ebb46b86fd28ae01a19",
        "test": "ba7b7fc5bdb8407b90e258d13f6303096b3e1d437a4ef71496deb3793a8fccc0",
    }


def test_the_real_lesion_split_has_as_many_divisions_as_seeds(real_data: Path):
    first, other = (load("dermamnist", 28, "lesion", seed) for seed in (0, 1))
    assert not np.array_equal(first.split, other.split)


def test_real_lesion_split_shares_no_lesion_and_keeps_the_classes_in_proportion(real_data: Path):
    import pandas as pd

    images = load("dermamnist", 28, "lesion")
    rows = pd.read_csv(real_data / "medmnist" / "dermamnist_index_map.csv")
    rows["file_order"] = rows["split"].map({"train": 0, "val": 7007, "test": 8010}) + rows["index"]
    lesion = rows.sort_values("file_order")["lesion_id"].to_numpy()
    where = pd.DataFrame({"lesion": lesion, "split": images.split})
    assert (where[where["split"] != ""].groupby("lesion")["split"].nunique() == 1).all()
    assert (images.split == "").sum() == rows["ambiguous"].sum()
    train, test = (np.array(images.counts(s)) / len(images.indices(s)) for s in ("train", "test"))
    assert np.abs(train - test).max() < 0.01
    assert len(images.indices("train")) == pytest.approx(0.7 * 10015, rel=0.02)


def test_a_folder_that_may_not_be_entered_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", forbidden)
    with pytest.raises(InputError, match="may not be entered") as error:
        load("breastmnist", 28, "official")
    assert str(folder) in str(error.value)
