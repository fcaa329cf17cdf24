"""Class folders in place of a table."""

from pathlib import Path

import pytest
from PIL import Image

from repro.data.sources.table import listing
from repro.errors import InputError

SETTINGS = {"name": "folder", "size": 32, "split": "seeded", "split_seed": 0}


def images(root: Path, *paths: str) -> str:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (len(path), 0, 0)).save(root / path)
    return str(root)


def many(*folders: str) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(10)]


def test_the_topmost_folder_is_the_class(tmp_path: Path):
    (tmp_path / ".cache").mkdir()
    folder = images(tmp_path, *many("cat", "dog/brown"))
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    found = listing({**SETTINGS, "csv": folder})
    assert found.class_names == ("cat", "dog")
    assert sorted(found.files) == sorted(str(file) for file in tmp_path.rglob("*.png"))
    for file, label in zip(found.files, found.labels, strict=True):
        assert Path(file).relative_to(tmp_path).parts[0] == found.class_names[label]
    assert set(found.split) == {"train", "val", "test"}


def test_folders_named_as_the_splits_are_the_official_split(tmp_path: Path):
    folder = images(tmp_path, *many(*(f"{split}/{label}" for split in ("train", "val", "test") for label in "ab")))
    found = listing({**SETTINGS, "csv": folder, "split": "official"})
    assert found.class_names == ("a", "b")
    for file, split in zip(found.files, found.split, strict=True):
        assert Path(file).relative_to(tmp_path).parts[0] == split


@pytest.mark.parametrize(
    ("paths", "complaint"),
    [
        ([], "no image in any folder below it"),
        (["1.png", "cat/2.png"], r"1\.png: this image is in no class folder"),
        (["cat/1.png", "cat/2.png"], "its only class folder is 'cat'"),
    ],
)
def test_what_is_no_class_folders_is_told_with_what_to_do(tmp_path: Path, paths: list[str], complaint: str):
    with pytest.raises(InputError, match=f"{complaint}.*(write a table|labels.csv)"):
        listing({**SETTINGS, "csv": images(tmp_path, *paths)})


def test_another_image_is_another_table(tmp_path: Path):
    folder = images(tmp_path, *many("a", "b"))
    before = listing({**SETTINGS, "csv": folder}).manifest["tables_sha256"]
    images(tmp_path, "a/new.png")
    assert listing({**SETTINGS, "csv": folder}).manifest["tables_sha256"] != before
