"""Tables of one's own: what is inferred from them."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from repro.data.check.report import inspect
from repro.data.sources.table import listing
from repro.data.splits import shared_group
from repro.errors import InputError
from tests.conftest import load
from tests.data.tables import own, written

SETTINGS: Mapping[str, Any] = {"name": "folder", "size": 128, "split": "seeded", "csv": None, "split_seed": 0}


def table(root: Path, text: str | bytes) -> None:
    written(root, {"folder/labels.csv": text})


def labelled(labels: list[str]) -> str:
    return "\n".join(["path,label", *(f"{i}.png,{label}" for i, label in enumerate(labels))])


def test_classes_groups_and_paths_are_read(root: Path, caplog: pytest.LogCaptureFixture):
    written(root, own(80))
    with caplog.at_level(logging.INFO):
        found = listing(SETTINGS)
    assert found.files[3] == str(root / "folder" / "img" / "3.png")
    assert found.class_names == ("benign", "malignant")
    assert found.labels.tolist() == [0, 1] * 40
    assert found.labels.dtype == np.int64
    assert found.groups.tolist() == [i // 2 for i in range(80)]
    assert shared_group(found.groups, found.split) is None
    assert found.channels == 3
    (line,) = caplog.messages
    assert "80 images, multi-class (benign 40, malignant 40), 40 groups; train 56, val 8, test 16" in line


def test_an_absolute_path_and_one_above_the_table_are_fine(root: Path):
    text = own(80)["folder/labels.csv"].replace("img/0.png", "/mnt/x/0.png").replace("img/1.png", "../y/1.png")
    table(root, text)
    assert listing(SETTINGS).files[:2] == ("/mnt/x/0.png", str(root / "y" / "1.png"))


def test_the_table_can_lie_anywhere(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
    written(tmp_path / "elsewhere", own(80))
    monkeypatch.chdir(tmp_path)
    found = listing(SETTINGS | {"csv": "elsewhere/folder/labels.csv"})
    assert found.files[0] == str(tmp_path / "elsewhere" / "folder" / "img" / "0.png")


def test_numbers_as_labels_are_in_numeric_order(root: Path):
    table(root, labelled(["10", "9", "2"] * 20))
    found = listing(SETTINGS)
    assert found.class_names == ("2", "9", "10")
    assert found.labels[:3].tolist() == [2, 1, 0]
    assert found.groups is None


def test_several_names_in_a_cell_make_several_labels(root: Path, caplog: pytest.LogCaptureFixture):
    table(root, labelled(["b|a", "a", "", "c | b"] * 10))
    with caplog.at_level(logging.INFO):
        found = listing(SETTINGS)
    assert found.class_names == ("a", "b", "c")
    assert found.labels.dtype == np.uint8
    assert found.labels[:4].tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert "multi-label (a 20, b 20, c 10), no groups" in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_empty_labels_where_no_image_has_several_are_images_without_findings_on_request(
    root: Path, caplog: pytest.LogCaptureFixture
):
    table(root, labelled(["a", "b", ""] * 10))
    assert listing(SETTINGS | {"unknown_labels": "class"}).labels[:3].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert "10 have none (first in line 4)" in caplog.text


def test_without_a_column_label_the_others_are_labels(root: Path):
    rows = [f"{i}.png,{i % 2},g{i},{int(i % 3 == 0)}.0" for i in range(30)]
    table(root, "\n".join(["path,cyst,group,mass", *rows]))
    found = listing(SETTINGS)
    assert found.class_names == ("cyst", "mass")
    assert found.labels[:4].tolist() == [[0, 1], [1, 0], [0, 0], [1, 1]]


def test_official_is_the_column_split_and_empty_is_no_split(root: Path):
    files = own(80, "path,label,group,split")
    table(root, files["folder/labels.csv"].replace("img/0.png,benign,p0,train", "img/0.png,benign,p0,"))
    split = listing(SETTINGS | {"split": "official"}).split
    assert split[:8].tolist() == ["", "train", "train", "train", "val", "val", "test", "test"]


def test_a_column_split_that_is_not_used_is_said(root: Path, caplog: pytest.LogCaptureFixture):
    written(root, own(80, "path,label,group,split"))
    listing(SETTINGS)
    assert "column 'split' is not used; data.split=official uses it" in caplog.text


def test_a_group_in_two_official_splits_is_named(root: Path, caplog: pytest.LogCaptureFixture):
    written(root, own(80, "path,label,group,split"))
    text = (
        (root / "folder/labels.csv").read_text().replace("img/5.png,malignant,p2,val", "img/5.png,malignant,p2,train")
    )
    table(root, text)
    listing(SETTINGS | {"split": "official"})
    assert "group 'p2' is in two splits" in caplog.text


def test_a_label_that_a_split_lacks_is_named(root: Path, caplog: pytest.LogCaptureFixture):
    table(root, labelled(["a", "b"] * 30 + ["rare"]))
    listing(SETTINGS)
    assert caplog.text.count("has label rare") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.replace(",", " , ").encode(),
        lambda text: text.replace("benign", '"benign"').encode(),
    ],
    ids=["byte-order mark", "Windows", "old Mac", "no last line end", "empty lines", "blanks", "quotes"],
)
def test_what_spreadsheets_do_to_a_table_changes_nothing(root: Path, change: Any):
    text = own(80)["folder/labels.csv"]
    table(root, text)
    plain = listing(SETTINGS)
    table(root, change(text))
    changed = listing(SETTINGS)
    assert changed.files == plain.files
    assert changed.class_names == plain.class_names
    assert np.array_equal(changed.labels, plain.labels)
    assert np.array_equal(changed.split, plain.split)


def test_grey_images_can_be_kept_grey(root: Path):
    written(root, own(80))
    assert listing(SETTINGS | {"channels": 1}).channels == 1


def test_two_sets_alike_in_names_sizes_and_times_keep_their_own_images(tmp_path: Path):
    found = []
    for value in (10, 200):
        home = tmp_path / str(value)
        home.mkdir()
        rows = ["path,label,split"]
        for i in range(12):
            Image.new("L", (16, 16), value).save(home / f"{i}.bmp")
            os.utime(home / f"{i}.bmp", (1_600_000_000, 1_600_000_000))
            rows.append(f"{i}.bmp,{'ab'[i % 2]},{('train', 'val', 'test')[i // 4]}")
        (home / "labels.csv").write_text("\n".join(rows))
        found.append(load("folder", 16, "official", csv=str(home / "labels.csv")))
    assert [int(images.images.max()) for images in found] == [10, 200]
    assert found[0].images_sha256 != found[1].images_sha256


@pytest.mark.parametrize(
    "column", ["patient_id", "Patient ID", "patientId", "LESION", "subject", "StudyInstanceUID", "case_no", "MRN"]
)
def test_a_column_that_reads_like_a_patient_is_the_group(root: Path, caplog: pytest.LogCaptureFixture, column: str):
    table(root, own(80)["folder/labels.csv"].replace("group", column, 1))
    found = listing(SETTINGS)
    assert found.groups.tolist() == [i // 2 for i in range(80)]
    assert shared_group(found.groups, found.split) is None
    assert f"no column 'group', so '{column}' is taken for it" in caplog.text
    assert found.manifest["groups_from"] == [column]


@pytest.mark.parametrize("column", ["patient_age", "lesion_type", "Patient Gender", "study_date", "image_id", "sex"])
def test_what_is_said_of_a_patient_is_no_group_but_is_listed(root: Path, caplog: pytest.LogCaptureFixture, column: str):
    table(root, own(80)["folder/labels.csv"].replace("group", column, 1))
    with caplog.at_level(logging.INFO):
        assert listing(SETTINGS).groups is None
    assert f"not used: column {column}. If one names the patient, call it 'group'" in caplog.text


def test_images_that_share_a_patient_or_a_lesion_stay_together(root: Path):
    rows = [f"{i}.png,{'ab'[i % 2]},p{i // 4},l{i // 3}" for i in range(120)]  # a chain: 0-3, 3-5, 4-7, ...
    table(root, "\n".join(["path,label,patient_id,lesion_id", *rows[:90], *(r.replace(",l", ",m") for r in rows[90:])]))
    groups = listing_groups(root)
    for i in range(120):
        for j in range(i):
            if i // 4 == j // 4 or (i // 3 == j // 3 and (i < 90) == (j < 90)):
                assert groups[i] == groups[j]


def listing_groups(root: Path) -> list[int]:
    from repro.data.csvfile import read_table
    from repro.data.sources.table_groups import group_columns, groups_of

    read = read_table(root / "folder/labels.csv", ("path",), "")
    return groups_of(read, group_columns(read)).tolist()


def test_a_column_of_0_and_1_is_a_label_whatever_it_is_called(root: Path):
    table(root, "\n".join(["path,patient,lesion", *(f"{i}.png,p{i // 2},{i % 2}" for i in range(60))]))
    found = listing(SETTINGS)
    assert found.class_names == ("lesion",)
    assert found.manifest["groups_from"] == ["patient"]


@pytest.mark.parametrize("word", ["NA", "n/a", "nan", "NaN", "None", "unknown", "Unknown", "<NA>", "?", ""])
def test_a_label_that_reads_like_nobody_knows_is_asked_about(root: Path, word: str):
    table(root, labelled(["a", "b", word] * 20))
    with pytest.raises(InputError, match=r"line 4, column 'label'.*20 such rows.*data\.unknown_labels=leave_out"):
        listing(SETTINGS)
    assert len(listing(SETTINGS | {"unknown_labels": "class"}).class_names) == (3 if word else 2)
    found = listing(SETTINGS | {"unknown_labels": "leave_out"})
    assert found.class_names == ("a", "b")
    assert len(found.names) == 40
    assert "2.png" not in found.names
    assert found.manifest["unknown_labels"] == 20


def test_none_in_small_letters_is_a_class(root: Path):
    table(root, labelled(["effusion", "none"] * 30))
    assert listing(SETTINGS).class_names == ("effusion", "none")


@pytest.mark.parametrize(
    "labels", [("Pleural thickening", "Pleural_thickening"), ("Melanoma", "melanoma "), ("n\u00e9o", "ne\u0301o")]
)
def test_labels_that_read_alike_are_told(root: Path, caplog: pytest.LogCaptureFixture, labels: tuple[str, str]):
    table(root, labelled([*labels, "other"] * 20))
    assert len(listing(SETTINGS).class_names) == 3
    assert "read alike" in caplog.text


def test_two_tables_of_one_folder_keep_their_own_images(tmp_path: Path, rows_decoded: list[int]):
    rows = [f"{i}.png,{'ab'[i % 2]}" for i in range(40)]
    for i in range(40):
        Image.new("L", (16, 16), i).save(tmp_path / f"{i}.png")
    for name, shown in (("all", rows), ("some", rows[:30])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label", *shown]))
    for _ in range(2):
        for name, count in (("all", 40), ("some", 30)):
            assert len(load("folder", 16, "seeded", csv=str(tmp_path / f"{name}.csv")).images) == count
    assert len(rows_decoded) == 70


@pytest.mark.parametrize(("told", "there"), [("{i}", "{i}.png"), ("{i}.png", "{i}.PNG"), ("A{i}.jpg", "a{i}.JPG")])
def test_files_of_another_ending_or_case_are_found(root: Path, caplog: pytest.LogCaptureFixture, told: str, there: str):
    table(root, "\n".join(["path,label", *(f"{told.format(i=i)},{'ab'[i % 2]}" for i in range(60))]))
    for i in range(60):
        (root / "folder" / there.format(i=i)).touch()
    found = listing(SETTINGS)
    assert found.files == tuple(str(root / "folder" / there.format(i=i)) for i in range(60))
    assert found.names[0] == told.format(i=0)
    assert "another ending or case" in caplog.text


def test_a_name_that_two_files_could_mean_is_left_as_it_is(root: Path):
    table(root, labelled(["a", "b"] * 30))
    for name in ("0.PNG", "0.Png"):
        (root / "folder" / name).touch()
    assert listing(SETTINGS).files[0] == str(root / "folder" / "0.png")


@pytest.mark.parametrize(
    "path",
    ["train/patient{p:05}/study1/view{i}.jpg", "sub-{p:02}/anat/{i}.png", "x/case_{p}_{i}.png", "Patient {p}/{i}.png"],
)
def test_a_patient_that_every_path_names_is_the_group(root: Path, caplog: pytest.LogCaptureFixture, path: str):
    rows = [f"{path.format(p=i // 3, i=i)},{'ab'[i % 2]}" for i in range(90)]
    table(root, "\n".join(["path,label", *rows]))
    found = listing(SETTINGS)
    assert found.groups.tolist() == [i // 3 for i in range(90)]
    assert found.manifest["groups_from"] == ["path"]
    assert "every path names one" in caplog.text


@pytest.mark.parametrize("path", ["casein{p}/{i}.png", "substance{p}/{i}.png", "patients/{i}.png", "case{i}.png"])
def test_a_path_that_names_no_patient_is_no_group(root: Path, path: str):
    rows = [f"{path.format(p=i // 3, i=i)},{'ab'[i % 2]}" for i in range(90)]
    table(root, "\n".join(["path,label", *rows]))
    assert listing(SETTINGS).groups is None


def test_a_label_of_minus_one_is_told_as_what_it_is(root: Path):
    table(root, "\n".join(["path,edema", *(f"{i}.png,{(0, 1, -1)[i % 3]}" for i in range(60))]))
    with pytest.raises(InputError, match="column 'edema': '-1' is neither 0 nor 1: if nobody knows"):
        listing(SETTINGS)


def test_images_without_a_label_serve_pretraining_alone_unless_their_patient_is_in_validation_or_test(
    root: Path, caplog: pytest.LogCaptureFixture
):
    words = [["a", "b"][i // 2 % 2] if i % 6 else ["", "NA"][i // 6 % 2] for i in range(120)]
    rows = [f"{i}.png,{word},p{i // 4}" for i, word in enumerate(words)]
    table(root, "\n".join(["path,label,patient", *rows]))
    with caplog.at_level(logging.INFO):
        found = listing(SETTINGS | {"unknown_labels": "pretrain"})
    unknown = [i for i in range(120) if i % 6 == 0]
    assert found.class_names == ("a", "b")
    assert found.labels[unknown].tolist() == [-1] * 20
    held = {patient for patient, split in zip(found.groups, found.split, strict=True) if split in ("val", "test")}
    for i in range(120):
        if i % 6:
            assert found.split[i] in ("train", "val", "test")
        else:
            assert found.split[i] == ("" if found.groups[i] in held else "unlabelled")
    used = int((found.split == "unlabelled").sum())
    assert 0 < used < 20
    assert f"{used} images without a label, for pretraining alone; {20 - used} others belong to" in caplog.text

    (root / "known.csv").write_text("\n".join(["path,label,patient", *(row for i, row in enumerate(rows) if i % 6)]))
    without = listing(SETTINGS | {"csv": str(root / "known.csv")})
    known = [i for i in range(120) if i % 6]
    assert without.split.tolist() == found.split[known].tolist()  # the labelled ones are divided as if they were alone


def test_images_without_a_label_of_patients_held_out_are_loaded_and_used_nowhere(tmp_path: Path):
    rows = [f"{i}.png,{'' if i % 4 == 0 else 'ab'[i % 2]},p{i // 4}" for i in range(80)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,patient_id", *rows]))
    for i in range(80):
        Image.new("L", (16, 16), 3 * i).save(tmp_path / f"{i}.png")
    images = load("folder", 16, "seeded", csv=str(tmp_path / "labels.csv"), unknown_labels="pretrain")
    nowhere = images.split == ""
    assert images.labels[nowhere].tolist() == [-1] * nowhere.sum()
    assert 0 < nowhere.sum() == 20 - len(images.unlabelled)
    assert inspect(images, "seeded").record["without_split"] == nowhere.sum()


def test_images_without_a_label_in_a_split_of_ones_own(root: Path):
    rows = [f"{i}.png,{'ab'[i // 4 % 2] if i >= 6 else ''},{('train', 'val', 'test', '')[i % 4]}" for i in range(40)]
    table(root, "\n".join(["path,label,split", *rows]))
    found = listing(SETTINGS | {"unknown_labels": "pretrain", "split": "official"})
    assert found.split[:6].tolist() == ["unlabelled", "", "", "unlabelled", "unlabelled", ""]
    assert found.split[6:].tolist() == [("train", "val", "test", "")[i % 4] for i in range(6, 40)]


def test_no_leak_is_told_of_a_patient_whose_images_in_train_have_no_label_and_are_left_out(
    root: Path, caplog: pytest.LogCaptureFixture
):
    splits = [("train", "", "p0"), ("test", "a", "p0"), *(("train", "ab"[i % 2], f"t{i}") for i in range(20))]
    splits += [(part, "ab"[i % 2], f"{part}{i}") for part in ("val", "test") for i in range(9)]
    rows = [f"{i}.png,{label},{patient},{part}" for i, (part, label, patient) in enumerate(splits)]
    pretrain = SETTINGS | {"unknown_labels": "pretrain", "split": "official"}
    table(root, "\n".join(["path,label,patient,split", *rows]))
    assert listing(pretrain).split[0] == ""
    assert "leaks" not in caplog.text
    table(root, "\n".join(["path,label,patient,split", *rows]).replace("0.png,,", "0.png,b,"))
    listing(pretrain)
    assert "group 'p0' is in two splits" in caplog.text


def test_several_labels_and_images_without_one_for_pretraining_are_refused(root: Path):
    table(root, labelled(["a|b", "a", "NA"] * 20))
    with pytest.raises(InputError, match=r"for images of one class each"):
        listing(SETTINGS | {"unknown_labels": "pretrain"})
