"""The report of a data set: what is planted is counted, and leaks decide the exit code."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.data import SPLITS, ImageSet
from repro.data import __main__ as data
from repro.data.check.report import Overlap, inspect
from repro.data.check.report_text import text_of
from repro.data.folder import prepared_folder
from tests.conftest import load
from tests.data.pictures import make
from tests.test_front_doors import at, refused

TRAIN, VAL, TEST = 0, 64, 80
"""Where the splits of `tiny` begin."""


def with_copies(tiny: ImageSet, copies: dict[int, int], **changes: Any) -> ImageSet:
    """Return `tiny` with each image of `copies` (its keys) replaced by another (their values)."""
    images = tiny.images.copy()
    for place, original in copies.items():
        images[place] = tiny.images[original]
    return dataclasses.replace(tiny, images=images, **changes)


def between(overlaps: tuple[Overlap, ...], first: str, second: str) -> Overlap:
    (overlap,) = (o for o in overlaps if o.splits == (first, second))
    return overlap


def test_a_clean_set_has_no_finding(tiny: ImageSet):
    report = inspect(tiny, "official")
    assert report.leaks(strict=True) == report.suspects() == []
    assert report.missing == ()
    assert report.groups == {"train": 32, "val": 8, "test": 8}
    assert report.verdict() == "No leak found in tiny, split official"


def test_patients_in_two_splits_are_a_leak_counted_as_a_slow_loop_counts_them(tiny: ImageSet):
    groups = np.random.default_rng(0).integers(0, 60, 96)
    report = inspect(dataclasses.replace(tiny, groups=groups), "official")
    for overlap in report.shared_groups:
        first, second = ({int(g) for g in groups[tiny.indices(split)]} for split in overlap.splits)
        assert overlap.shared == len(first & second) > 0
        for split, count in zip(overlap.splits, overlap.images, strict=True):
            assert count == sum(int(groups[i]) in first & second for i in tiny.indices(split))
        assert overlap.share == overlap.images[1] / 16
        for i, j in overlap.examples:
            assert groups[i] == groups[j]
            assert (tiny.split[i], tiny.split[j]) == overlap.splits
    assert "shared groups" in report.verdict()


def test_the_same_pixels_in_two_splits_are_a_leak(tiny: ImageSet):
    report = inspect(with_copies(tiny, {TEST: 5, TEST + 1: 5, VAL: 9, 12: 5}), "official")
    assert between(report.shared_pictures, "train", "test") == Overlap(("train", "test"), 1, (2, 2), 2 / 16, ((5, 80),))
    assert between(report.shared_pictures, "train", "val").shared == 1
    assert between(report.shared_pictures, "val", "test").shared == 0
    assert report.repeated == {"train": 1, "val": 0, "test": 1}
    assert report.leaks() == ["exact duplicates: 1 in both train and val, 1 in both train and test"]


def test_the_same_pixels_inside_a_split_are_no_leak(tiny: ImageSet):
    report = inspect(with_copies(tiny, {1: 0, 2: 0}), "official")
    assert report.repeated == {"train": 2, "val": 0, "test": 0}
    assert report.leaks(strict=True) == []


def test_copies_with_different_labels_are_counted(tiny: ImageSet):
    up, down = (np.flatnonzero(tiny.labels == label) for label in (0, 1))
    assert inspect(with_copies(tiny, {down[0]: up[0], up[2]: up[1]}), "official").conflicting == 1


def test_near_duplicates_across_splits_are_suspects_and_a_leak_only_if_strict(tiny: ImageSet):
    images = tiny.images.copy()
    images[TEST] = images[3] + 9
    images[4] = images[3] + 5
    report = inspect(dataclasses.replace(tiny, images=images), "official")
    assert report.near_within == {"train": 1, "val": 0, "test": 0}
    shared = between(report.shared_views, "train", "test")
    assert (shared.shared, shared.images, shared.examples) == (2, (2, 1), ((3, 80), (4, 80)))
    assert report.leaks() == []
    assert report.leaks(strict=True) == ["near duplicates: 2 in both train and test"]
    assert report.verdict().endswith("Suspected near duplicates: 2 in both train and test")


def test_near_pairs_name_the_earlier_split_first_whatever_the_order_of_images(tiny: ImageSet):
    images = tiny.images.copy()
    images[90] = images[3] + 9
    split = tiny.split[::-1].copy()
    shared = between(
        inspect(dataclasses.replace(tiny, images=images, split=split), "official").shared_views, "train", "test"
    )
    assert shared.examples == ((90, 3),)


def test_copies_inside_a_split_do_not_multiply_near_pairs(tiny: ImageSet):
    images = tiny.images.copy()
    images[:10] = images[0]
    images[TEST : TEST + 10] = images[0] + 5
    report = inspect(dataclasses.replace(tiny, images=images), "official")
    assert between(report.shared_views, "train", "test").shared == 1


def test_images_in_no_split_leak_nowhere(tiny: ImageSet):
    split = tiny.split.copy()
    split[TEST] = ""
    report = inspect(with_copies(tiny, {TEST: 0}, split=split, groups=np.r_[:80, 0, 81:96]), "official")
    assert report.leaks(strict=True) == []
    assert "in no split: 1\n" in text_of(report)


def test_unknown_groups_are_said_to_be_unknown(tiny: ImageSet):
    report = inspect(dataclasses.replace(tiny, groups=None), "official")
    assert report.leaks() == []
    assert "unknown, so it cannot be told" in text_of(report)
    assert report.verdict().startswith("UNKNOWN whether tiny, split official leaks: its patients are not known")
    assert not report.fails()


def test_a_split_that_is_known_to_leak_is_a_leak_though_no_table_tells_its_groups(tiny: ImageSet):
    report = inspect(dataclasses.replace(tiny, name="dermamnist", groups=None), "official")
    assert report.verdict().startswith(
        "LEAK in dermamnist, split official: 641 of the 1,868 lesions of test are also in train"
    )
    assert "data.split=lesion keeps every group in one split" in report.verdict()
    assert report.fails()


def test_a_class_that_a_split_lacks_is_named(tiny: ImageSet):
    labels = tiny.labels.copy()
    labels[TEST:] = 1
    report = inspect(dataclasses.replace(tiny, labels=labels), "official")
    assert report.missing == (("up", "test"),)
    assert "note: test has no image of 'up'" in text_of(report)


def test_several_labels_per_image_are_counted_and_a_label_without_positives_is_named(tiny: ImageSet):
    labels = np.random.default_rng(0).integers(0, 2, (96, 3), dtype=np.uint8)
    labels[VAL:TEST, 2] = 0
    labels[TEST] = labels[0] ^ 1
    images = with_copies(tiny, {TEST: 0}, labels=labels, class_names=("mass", "nodule", "hernia"))
    report = inspect(images, "official")
    assert report.missing == (("hernia", "val"),)
    assert report.conflicting == 1
    (line,) = (line for line in text_of(report).splitlines() if line.startswith("  mass"))
    shown = line.split()[1::3]
    assert [int(n) for n in shown] == [int(labels[tiny.indices(s), 0].sum()) for s in SPLITS]


def test_an_empty_split_is_noted_and_divides_nothing_by_nought(tiny: ImageSet):
    split = np.where(tiny.split == "test", "train", tiny.split)
    assert "note: test has no images" in text_of(inspect(dataclasses.replace(tiny, split=split), "official"))


def check(monkeypatch: pytest.MonkeyPatch, images: ImageSet, *options: str) -> int:
    monkeypatch.setattr(data, "load", lambda *_: images)
    return at(data.main, "check", "phantom", *options)


def test_the_front_door_exits_with_1_if_and_only_if_splits_leak(tiny: ImageSet, monkeypatch, capsys):
    assert check(monkeypatch, tiny) == 0
    near = tiny.images.copy()
    near[TEST] = near[0] + 3
    suspicious = dataclasses.replace(tiny, images=near)
    assert check(monkeypatch, suspicious) == 0
    assert check(monkeypatch, suspicious, "--strict") == 1
    assert check(monkeypatch, with_copies(tiny, {TEST: 0})) == 1
    capsys.readouterr()
    assert check(monkeypatch, dataclasses.replace(tiny, groups=np.arange(96) % 95)) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "LEAK in tiny, split official: shared groups: 1 in both train and test"


def test_the_report_is_written_as_json_too(tiny: ImageSet, monkeypatch, tmp_path: Path, capsys):
    file = tmp_path / "report.json"
    assert check(monkeypatch, with_copies(tiny, {TEST: 0}), "--json", str(file)) == 1
    written = json.loads(file.read_text())
    assert written["sha256"]
    assert written["check"]["shared_pictures"][1]["images"] == [1, 1]
    assert written["check"]["leaks"] == ["exact duplicates: 1 in both train and test"]
    assert list(tmp_path.iterdir()) == [file]
    assert "cannot write" in refused(capsys, data.main, "check", "phantom", "--json", str(tmp_path / "no" / "x.json"))


def test_a_distance_at_which_hashes_say_nothing_is_refused(capsys):
    for bits in ("-1", "17"):
        assert f"--near {bits}" in refused(capsys, data.main, "check", "phantom", "--near", bits)


def test_real_dermamnist_leaks_as_published_and_its_lesion_split_does_not(real_data: Path, capsys):
    assert at(data.main, "check", "dermamnist") == 1
    printed = capsys.readouterr().out
    assert "641 of 1,868" in printed
    assert "data.split=lesion" in printed.splitlines()[-1]
    report = inspect(load("dermamnist", 28, "lesion"), "lesion")
    assert [overlap.shared for overlap in report.shared_groups] == [0, 0, 0]
    assert report.leaks() == []


@pytest.fixture
def decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of files that has been decoded; returns its folder."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    make(tmp_path / "folder" / "img", 60)
    rows = [f"img/{i:04d}.png,{('mole', 'wart')[i % 2]},p{i // 2}" for i in range(60)]
    (tmp_path / "folder" / "labels.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    assert at(data.main, "prepare", "folder", "data.size=16") == 0
    return tmp_path / "folder"


CHECK = ("check", "folder", "data.size=16")


def test_files_and_decoded_images_are_hashed_again(decoded: Path, capsys: pytest.CaptureFixture):
    assert at(data.main, *CHECK) == 0
    assert "hashed again: unchanged" in capsys.readouterr().out
    file = decoded / "img" / "0007.png"
    content, times = bytearray(file.read_bytes()), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    content[len(content) // 2] ^= 1  # as a disk that forgets: neither size nor time tells
    file.write_bytes(content)
    os.utime(file, ns=times)
    assert at(data.main, *CHECK) == 1
    out = capsys.readouterr().out
    assert "ALTERED since they were decoded: 0007.png. Get such files again" in out
    assert "No leak found" in out


def test_a_changed_byte_among_the_decoded_images_is_found(decoded: Path, capsys: pytest.CaptureFixture, tmp_path: Path):
    (array,) = prepared_folder().glob("*/folder-16/images.npy")
    with array.open("r+b") as images:
        images.seek(-1, os.SEEK_END)
        last = images.read(1)[0]
        images.seek(-1, os.SEEK_END)
        images.write(bytes([last ^ 1]))
    assert at(data.main, *CHECK, "--json", str(tmp_path / "report.json")) == 1
    assert f"ALTERED since they were decoded: {array}" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["check"]["altered"] == [str(array)]


def test_near_duplicates_are_told_by_the_names_of_their_files_where_there_are_files(tiny: ImageSet):
    names = tuple(f"patient{index}/x.png" for index in range(96))
    report = inspect(with_copies(tiny, {VAL + 3: 5}, names=names), "official")
    assert "such as images patient5/x.png and patient67/x.png" in text_of(report)
    assert "such as images 5 and 67" in text_of(inspect(with_copies(tiny, {VAL + 3: 5}), "official"))
