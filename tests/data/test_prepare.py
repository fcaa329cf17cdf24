"""From files to a memory-mapped array: what is stored, what a second call does, and files that are not as they were."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from repro.data import imageset, prepare
from repro.data.imageset import sha256_of_images
from repro.data.listing import Listing
from repro.data.prepare import prepared
from tests.data.pictures import SIZE, damage, expected, listing_of, make, refusal


@pytest.mark.parametrize("channels", [1, 3])
def test_every_row_is_what_its_file_shows_in_the_order_of_the_listing(source: Path, kept: Path, channels: int):
    listing = listing_of(source, channels=channels)
    order = np.random.default_rng(0).permutation(len(listing.names))
    listing = replace(listing, names=tuple(listing.names[i] for i in order), manifest={"table_sha256": "abc"})
    images = prepared(listing, SIZE, kept)
    assert isinstance(images.images, np.memmap)
    assert not images.images.flags.writeable
    assert np.array_equal(images.images, expected(listing))
    assert np.array_equal(images.labels, listing.labels)
    assert np.array_equal(images.split, listing.split)
    assert np.array_equal(images.groups, listing.groups)
    assert images.class_names == listing.class_names
    assert images.manifest["table_sha256"] == "abc"


def test_only_array_and_manifest_are_left_of_the_work(source: Path, kept: Path):
    prepared(listing_of(source), SIZE, kept)
    assert sorted(file.name for file in kept.iterdir()) == ["made-16", "made-16.lock"]
    assert sorted(file.name for file in (kept / "made-16").iterdir()) == ["images.npy", "manifest.json"]


def test_the_manifest_tells_all_of_files_and_result_and_no_absolute_path(source: Path, kept: Path):
    (source / "more").mkdir()
    (source / "0149.png").rename(source / "more" / "0149.png")
    listing = listing_of(source)
    images = prepared(listing, SIZE, kept)
    text = (kept / "made-16" / "manifest.json").read_text()
    assert str(source) not in text
    manifest = json.loads(text)
    assert manifest["files"]["name"][-2:] == ["0148.png", "more/0149.png"]
    assert manifest["files"]["bytes"] == [file.stat().st_size for file in map(Path, listing.files)]
    assert manifest["files"]["mtime_ns"] == [file.stat().st_mtime_ns for file in map(Path, listing.files)]
    sums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in map(Path, listing.files)]
    assert manifest["files"]["sha256"] == sums
    printed = subprocess.run(
        ["sha256sum", *manifest["files"]["name"]], cwd=source, stdout=subprocess.PIPE, check=True
    ).stdout
    assert manifest["inputs_sha256"] == hashlib.sha256(printed).hexdigest() == images.manifest["inputs_sha256"]
    assert manifest["images_sha256"] == sha256_of_images(np.load(kept / "made-16" / "images.npy"))


def test_the_stored_hash_spares_hashing_the_images_and_is_the_same(source: Path, kept: Path, monkeypatch):
    images = prepared(listing_of(source), SIZE, kept)
    in_memory = replace(images, images=np.array(images.images), stored_sha256=None)
    assert in_memory.describe() == images.describe()

    def never(_: np.ndarray) -> str:
        raise AssertionError("images were hashed again")

    monkeypatch.setattr(imageset, "sha256_of_images", never)
    assert replace(images, labels=1 - images.labels % 2).describe()["sha256"] != images.describe()["sha256"]


def test_a_second_call_decodes_nothing(source: Path, kept: Path, rows_decoded: list[int]):
    first = prepared(listing_of(source), SIZE, kept)
    assert sorted(rows_decoded) == list(range(150))
    rows_decoded.clear()
    second = prepared(listing_of(source), SIZE, kept)
    assert not rows_decoded
    assert second.describe() == first.describe()
    assert np.array_equal(second.images, first.images)


def test_other_labels_or_splits_need_no_decoding(source: Path, kept: Path, rows_decoded: list[int]):
    prepared(listing_of(source), SIZE, kept)
    rows_decoded.clear()
    turned = prepared(listing_of(source, labels=np.arange(150)[::-1] % 3), SIZE, kept)
    assert not rows_decoded
    assert np.array_equal(turned.labels, np.arange(150)[::-1] % 3)


def repainted(source: Path) -> None:
    Image.new("RGB", (20, 20), "red").save(source / "0070.png")


def repainted_with_the_same_length(source: Path) -> None:
    file = source / "0070.png"
    content = file.read_bytes()
    file.write_bytes((source / "0071.png").read_bytes()[: len(content)].ljust(len(content), b"\0"))
    os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns + 1))


def removed(source: Path) -> None:
    (source / "0070.png").unlink()


def renamed(source: Path) -> None:
    (source / "0070.png").rename(source / "0070a.png")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (repainted, "1 of its 150 files have changed, 0070.png the first"),
        (repainted_with_the_same_length, "1 of its 150 files have changed, 0070.png the first"),
        (renamed, "1 of its 150 files have changed, 0070a.png the first"),
        (removed, "it was made from 150 files, and there are 149 now"),
    ],
)
def test_changed_files_are_noticed_and_all_is_prepared_anew(
    source: Path, kept: Path, caplog, change: Callable[[Path], None], said: str
):
    before = prepared(listing_of(source), SIZE, kept)
    old = np.array(before.images)
    change(source)
    listing = listing_of(source)
    after = prepared(listing, SIZE, kept)
    assert f"made-16: {said}; preparing it again" in caplog.text
    assert np.array_equal(after.images, expected(listing))
    assert after.stored_sha256 == sha256_of_images(after.images)
    assert np.array_equal(before.images, old), "who still uses the old images keeps them"
    assert sorted(file.name for file in kept.iterdir()) == ["made-16", "made-16.lock"]


def test_another_version_of_the_decoding_prepares_anew(source: Path, kept: Path, caplog, monkeypatch, rows_decoded):
    prepared(listing_of(source), SIZE, kept)
    monkeypatch.setattr(prepare, "DECODING", prepare.DECODING + 1)
    prepared(listing_of(source), SIZE, kept)
    assert f"decoding was {prepare.DECODING - 1}, and is {prepare.DECODING} now" in caplog.text
    assert len(rows_decoded) == 300


@pytest.mark.parametrize("name", ["images.npy", "manifest.json"])
@pytest.mark.parametrize("keep", [0, 0.5, None])
def test_a_prepared_set_that_was_damaged_is_prepared_anew(source: Path, kept: Path, caplog, name: str, keep):
    listing = listing_of(source)
    prepared(listing, SIZE, kept)
    file = kept / "made-16" / name
    if keep is None:
        file.unlink()
    else:
        os.truncate(file, int(keep * file.stat().st_size))
    assert np.array_equal(prepared(listing, SIZE, kept).images, expected(listing))
    assert "made-16: it is damaged; preparing it again" in caplog.text


def test_sizes_lie_beside_each_other(source: Path, kept: Path, rows_decoded: list[int]):
    for size in (8, 16, 8):
        assert prepared(listing_of(source), size, kept).images.shape == (150, size, size, 3)
    assert len(rows_decoded) == 300


def without(source: Path, *numbers: int) -> Listing:
    """The listing of all 150 images, after some were deleted."""
    listing = listing_of(source)
    for number in numbers:
        Path(listing.files[number]).unlink()
    return listing


def test_missing_files_are_counted_and_the_first_is_named(source: Path, kept: Path):
    listing = without(source, 5, 60, 61)
    said = refusal(lambda: prepared(listing, SIZE, kept))
    assert said == (
        f"made: 3 of 150 images are missing, 0005.png the first; looked in {source}. "
        "Get them, or set data.allow_missing=True to go on without them"
    )
    assert not kept.exists()


def test_allowed_missing_files_drop_out_and_are_counted_per_class(source: Path, kept: Path):
    listing = without(source, 5, 60, 61)
    images = prepared(listing, SIZE, kept, allow_missing=True)
    there = np.delete(np.arange(150), [5, 60, 61])
    assert np.array_equal(images.images, expected(replace(listing, names=tuple(listing.names[i] for i in there))))
    assert np.array_equal(images.labels, listing.labels[there])
    assert np.array_equal(images.split, listing.split[there])
    assert np.array_equal(images.groups, listing.groups[there])
    missing = {"total": 3, "of": 150, "present_per_class": [49, 49, 49], "of_per_class": [50, 50, 50]}
    assert images.describe()["missing"] == missing
    assert json.loads((kept / "made-16" / "manifest.json").read_text())["missing"] == missing


def test_missing_files_are_counted_per_label_where_an_image_can_have_several(source: Path, kept: Path):
    labels = np.zeros((150, 3), np.uint8)
    labels[:60, 0], labels[50:80, 1] = 1, 1
    listing = replace(without(source, 5, 55), labels=labels)
    missing = prepared(listing, SIZE, kept, allow_missing=True).manifest["missing"]
    assert (missing["present_per_class"], missing["of_per_class"]) == ([58, 29, 0], [60, 30, 0])


def test_a_complete_copy_says_nothing_of_missing_or_corrupt_files(source: Path, kept: Path):
    manifest = prepared(listing_of(source), SIZE, kept, allow_missing=True, allow_corrupt=9).manifest
    assert manifest.keys() == {"inputs_sha256", "decoding"}


def test_a_copy_without_any_image_is_refused_whatever_is_allowed(source: Path, kept: Path):
    listing = without(source, *range(150))
    assert "150 of 150 images are missing" in refusal(lambda: prepared(listing, SIZE, kept, allow_missing=True))
    empty = replace(listing, names=(), labels=listing.labels[:0], split=listing.split[:0], groups=None)
    assert "name no image" in refusal(lambda: prepared(empty, SIZE, kept, allow_missing=True))


def test_corrupt_files_are_named_with_reasons_after_all_were_tried(source: Path, kept: Path):
    damage(source, [0, 70, 149])
    said = refusal(lambda: prepared(listing_of(source), SIZE, kept))
    assert said == (
        f"made-16: 3 of 150 files in {source} hold no usable image: 0000.png (empty file), "
        "0070.png (a web page in place of the image), 0149.png (truncated). "
        "Replace them, or download them again, or set data.allow_corrupt=3 to go on without them"
    )
    assert not (kept / "made-16").exists()


def test_many_corrupt_files_are_listed_in_a_file_beside(source: Path, kept: Path):
    damage(source, list(range(12)))
    said = refusal(lambda: prepared(listing_of(source), SIZE, kept, allow_corrupt=11))
    report = kept / "made-16.corrupt.txt"
    assert said.count(".png (") == 10
    assert f"and more: {report} names all" in said
    assert report.read_text().splitlines()[11] == "0011.png (truncated)"
    assert len(report.read_text().splitlines()) == 12
    prepared(listing_of(source), SIZE, kept, allow_corrupt=12)
    assert not report.exists()


def test_allowed_corrupt_files_drop_out_and_are_recorded_by_name(source: Path, kept: Path):
    damage(source, [0, 70, 149])
    listing = listing_of(source)
    images = prepared(listing, SIZE, kept, allow_corrupt=3)
    there = np.delete(np.arange(150), [0, 70, 149])
    assert np.array_equal(images.images, expected(replace(listing, names=tuple(listing.names[i] for i in there))))
    assert np.array_equal(images.labels, listing.labels[there])
    assert images.stored_sha256 == sha256_of_images(images.images)
    assert images.manifest["corrupt"] == [
        {"row": 0, "file": "0000.png", "reason": "empty file"},
        {"row": 70, "file": "0070.png", "reason": "a web page in place of the image"},
        {"row": 149, "file": "0149.png", "reason": "truncated"},
    ]
    assert np.array_equal(prepared(listing, SIZE, kept, allow_corrupt=5).images, images.images)
    assert "set data.allow_corrupt=3" in refusal(lambda: prepared(listing, SIZE, kept, allow_corrupt=2))


def test_missing_and_corrupt_files_drop_out_together(source: Path, kept: Path):
    damage(source, [70])
    listing = without(source, 5, 100)
    images = prepared(listing, SIZE, kept, allow_missing=True, allow_corrupt=1)
    assert np.array_equal(images.labels, np.delete(listing.labels, [5, 70, 100]))
    there = np.delete(np.arange(150), [5, 70, 100])
    assert np.array_equal(images.images, expected(replace(listing, names=tuple(listing.names[i] for i in there))))


def test_after_a_refusal_only_chunks_with_changed_files_are_decoded_again(
    source: Path, kept: Path, rows_decoded: list[int]
):
    damage(source, [70])
    refusal(lambda: prepared(listing_of(source), SIZE, kept))
    rows_decoded.clear()
    make(source / "new", 71)
    (source / "new" / "0070.png").replace(source / "0070.png")
    for file in (source / "new").iterdir():
        file.unlink()
    listing = listing_of(source)
    assert np.array_equal(prepared(listing, SIZE, kept).images, expected(listing))
    assert rows_decoded == list(range(64, 128))


def test_nothing_but_corrupt_files_is_refused_whatever_is_allowed(source: Path, kept: Path):
    damage(source, list(range(150)))
    said = refusal(lambda: prepared(listing_of(source), SIZE, kept, allow_corrupt=1000))
    assert f"150 of 150 files in {source} hold no usable image" in said
    assert "allow_corrupt" not in said


def test_a_file_that_cannot_be_read_counts_as_corrupt(source: Path, kept: Path, monkeypatch):
    """The file vanishes after it was listed: one of the ways that work for every user."""
    listing, real = listing_of(source), prepare.decode_files

    def vanish(*arguments: Any) -> Any:
        Path(listing.files[3]).unlink()
        return real(*arguments)

    monkeypatch.setattr(prepare, "decode_files", vanish)
    assert "0003.png (cannot be read: No such file or directory)" in refusal(lambda: prepared(listing, SIZE, kept))


def test_real_dermoscopy_photographs_are_prepared(real_data: Path, kept: Path):
    folder = real_data / "isic2019" / "ISIC_2019_Training_Input"
    files = tuple(sorted(file.name for file in folder.glob("*.jpg"))[:100])
    if not files:
        pytest.skip(f"no ISIC 2019 images in {real_data}")
    listing = Listing("isic2019", folder, files, np.zeros(100, np.int64), np.full(100, "train"), ("any",), 3)
    images = prepared(listing, 64, kept)
    means = images.images.mean(axis=(0, 1, 2))
    assert images.images.shape == (100, 64, 64, 3)
    assert means[0] > means[1]  # skin is red
    assert images.images.std() > 20
