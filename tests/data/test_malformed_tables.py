"""Tables that cannot be used: each is refused in one line that says what, where, and what to do."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from repro.data import __main__ as data
from repro.data.folder import prepared_folder
from repro.data.listing import Listing
from repro.data.sources import chestxray14, isic2019, kermany, table
from tests.data.tables import chest, isic, own, written
from tests.test_front_doors import refused

Files = dict[str, Any]
TRUTH, METADATA = f"isic2019/{isic2019.TRUTH}", f"isic2019/{isic2019.METADATA}"
ENTRIES = f"chestxray14/{chestxray14.TABLE}"
TRAIN_VAL, TEST = f"chestxray14/{chestxray14.TRAIN_VAL}", f"chestxray14/{chestxray14.TEST}"
OWN = "folder/labels.csv"

SOURCES: dict[str, tuple[Callable[[Mapping[str, Any]], Listing], str, Callable[[], Files]]] = {
    "isic2019": (isic2019.listing, "lesion", lambda: isic(80)),
    "chestxray14": (chestxray14.listing, "official", lambda: chest(60)),
    "kermany": (kermany.listing, "patient", dict),
    "folder": (table.listing, "seeded", lambda: own(60, "path,label,group,split")),
}


def swap(name: str, old: str, new: str) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        assert old in files[name]
        return files | {name: files[name].replace(old, new, 1)}

    return change


def put(name: str, content: str | bytes | None) -> Callable[[Files], Files]:
    return lambda files: files | {name: content}


def gone(name: str) -> Callable[[Files], Files]:
    return lambda files: {other: content for other, content in files.items() if other != name}


def each(name: str, change: Callable[[str], str | bytes]) -> Callable[[Files], Files]:
    return lambda files: files | {name: change(files[name])}


def without_column(number: int) -> Callable[[str], str]:
    return lambda text: "\n".join(
        ",".join(cell for i, cell in enumerate(row.split(",")) if i != number) for row in text.splitlines()
    )


TWO_IMAGES = "ISIC_0000002,0.0,0.0,1.0"
CASES = [
    # The file itself.
    ("isic2019", gone(TRUTH), "GroundTruth.csv is not there; get it from https://challenge.isic-archive.com"),
    ("isic2019", gone(METADATA), "Metadata.csv is not there; get it"),
    ("chestxray14", gone(TEST), "test_list.txt is not there; get it from https://nihcc.app.box.com"),
    ("kermany", dict, "chest_xray/train/NORMAL is not there; get ChestXRay2017.zip"),
    ("folder", gone(OWN), "labels.csv is not there; write it (columns path, label"),
    ("folder", put(OWN, None), "labels.csv: no image in any folder below it; put the images of each class"),
    ("folder", put(OWN, ""), "labels.csv: it has no line; write it"),
    ("folder", put(OWN, "\n\n"), "it has no line"),
    ("folder", put(OWN, "path,label\n"), "it has no row below its header; write it"),
    ("isic2019", put(METADATA, "image,lesion_id"), "Metadata.csv: it has no row below its header; get it"),
    ("folder", put(OWN, b"path,label\na.png,caf\xe9\n"), "line 2: not UTF-8 text"),
    ("folder", each(OWN, lambda text: text.encode("utf-16")), "line 1: not UTF-8 text"),
    ("folder", put(OWN, b"path,label\na.png,x\0y\n"), "line 2: a zero byte"),
    ("folder", each(OWN, lambda text: text.replace(",", ";")), "seems to be written with semicolons: save it with com"),
    ("isic2019", each(TRUTH, lambda text: text.replace(",", "\t")), "seems to be written with tabs"),
    ("folder", swap(OWN, "img/1.png", '"img/1.png'), "quotation mark that is not closed"),
    ("folder", swap(OWN, "img/1.png", '"img"/1.png'), "line 3: ',' expected after '\"'. Look for a quotation mark"),
    ("folder", swap(OWN, "benign", "b" * 200_000), "line 2: field larger than field limit"),
    ("folder", swap(OWN, "benign", "benign,mild"), "line 2: 5 fields, but the header has 4"),
    ("folder", swap(OWN, ",malignant,p0,train", ",malignant"), "line 3: 2 fields, but the header has 4"),
    # Columns.
    ("isic2019", swap(TRUTH, "MEL", "MELL"), "line 1: no column 'MEL' among its columns (image, MELL, NV"),
    ("isic2019", swap(METADATA, "lesion_id", "lesion"), "no column 'lesion_id'"),
    ("chestxray14", swap(ENTRIES, "Patient ID", "Patient"), "no column 'Patient ID'"),
    ("folder", swap(OWN, "path", "file"), "no column 'path' among its columns (file, label, group, split)"),
    ("folder", swap(OWN, "label,group", "label,label"), "two columns are named 'label'"),
    ("folder", each(OWN, without_column(1)), "no column 'label', and no column of 0 and 1 either"),
    # Images.
    (
        "isic2019",
        swap(TRUTH, "ISIC_0000002", "ISIC_0000000"),
        "line 4, column 'image': 'ISIC_0000000' is already in li",
    ),
    ("isic2019", swap(METADATA, "ISIC_0000002", "ISIC_0000000"), "Metadata.csv, line 4, column 'image'"),
    ("isic2019", swap(TRUTH, "ISIC_0000002", "ISIC_9999999"), "'ISIC_9999999' has no row in ISIC_2019_Training_Meta"),
    ("isic2019", swap(TRUTH, "ISIC_0000002", "../x"), "line 4, column 'image': '../x' is no plain file name"),
    ("isic2019", swap(TRUTH, "ISIC_0000002", ""), "line 4, column 'image': '' is no value; write the image's name"),
    ("chestxray14", swap(ENTRIES, "00000001_000.png", "00000000_000.png"), "line 4, column 'Image Index'"),
    (
        "folder",
        swap(OWN, "img/2.png", "img/../img/1.png"),
        "line 4, column 'path': 'img/../img/1.png' is already in lin",
    ),
    ("folder", swap(OWN, "img/2.png", ""), "line 4, column 'path': '' is no value; write where the image lies"),
    ("folder", swap(OWN, "img/2.png", r"img\2.png"), "is no path of this machine; write folders with '/'"),
    ("folder", swap(OWN, "img/2.png", "https://x.org/2.png"), "is no path of this machine"),
    # Labels.
    (
        "isic2019",
        swap(TRUTH, TWO_IMAGES, "ISIC_0000002,1.0,0.0,1.0"),
        "line 4, column 'image': 'ISIC_0000002' has MEL a",
    ),
    ("isic2019", swap(TRUTH, TWO_IMAGES, "ISIC_0000002,0.0,0.0,0.0"), "'ISIC_0000002' has no class"),
    ("isic2019", swap(TRUTH, TWO_IMAGES, "ISIC_0000002,0.0,0.0,yes"), "line 4, column 'BCC': 'yes' is neither 0 nor 1"),
    ("isic2019", swap(TRUTH, TWO_IMAGES, "ISIC_0000002,0.0,0.0,0.9"), "column 'BCC': '0.9' is neither 0 nor 1"),
    ("isic2019", swap(TRUTH, TWO_IMAGES, "ISIC_0000002,0.0,0.0,nan"), "column 'BCC': 'nan' is neither 0 nor 1"),
    ("isic2019", swap(TRUTH, "1.0,0.0\n", "0.0,1.0\n"), "is UNK, which the training set never is"),
    (
        "chestxray14",
        swap(ENTRIES, "|Effusion", "|Efusion"),
        "has 'Efusion', none of the 14 findings. Did you mean 'Eff",
    ),
    ("chestxray14", swap(ENTRIES, "No Finding", "No Finding|Mass"), "line 3, column 'Finding Labels': 'No Finding|Mas"),
    (
        "chestxray14",
        swap(ENTRIES, "No Finding", ""),
        "line 3, column 'Finding Labels': '' is no value; an X-ray withou",
    ),
    ("chestxray14", swap(ENTRIES, "No Finding", "Mass|"), "has '', none of the 14 findings"),
    ("folder", swap(OWN, "benign", "NaN"), "line 2, column 'label': 'NaN' is no label"),
    ("folder", swap(OWN, "benign", "benign|"), "line 2, column 'label': 'benign|' has an empty name beside a '|'"),
    (
        "folder",
        each(OWN, lambda text: text.replace("malignant", "benign")),
        "all 60 images have the same label 'benign'",
    ),
    (
        "folder",
        swap(OWN, "label", "age"),
        "line 2, column 'age': 'benign' is neither 0 nor 1; if it names the class, call the column 'label'",
    ),
    # Groups.
    ("chestxray14", swap(ENTRIES, "No Finding,1,0", "No Finding,1,"), "line 3, column 'Patient ID': '' is no value"),
    ("folder", swap(OWN, ",p0,", ",,"), "line 2, column 'group': '' is no value; give every image a group"),
    (
        "folder",
        put(OWN, own(18, "path,label,group")[OWN]),
        "18 images in 9 groups (patients, lesions) cannot be divided",
    ),
    ("chestxray14", lambda files: files | chest(8), "train_val_list.txt: 12 images in 6 groups"),
    # Splits.
    ("chestxray14", swap(TEST, "00000000_000.png", "7.png"), "test_list.txt, line 1: 7.png is not in Data_Entry_2017"),
    ("chestxray14", swap(TEST, "00000000_001.png", "00000000_000.png"), "line 2: 00000000_000.png is there twice"),
    (
        "chestxray14",
        swap(TEST, "00000000_000.png", "00000001_000.png"),
        "00000001_000.png is in train_val_list.txt too",
    ),
    ("chestxray14", put(TRAIN_VAL, "\n"), "train_val_list.txt: it names no image"),
    ("chestxray14", put(TRAIN_VAL, b"\xff\xfe0"), "train_val_list.txt, line 1: not UTF-8 text"),
    (
        "chestxray14",
        lambda files: swap(TRAIN_VAL, "00000001_000.png", "00000004_001.png")(
            swap(TEST, "00000004_001.png", "")(files)
        ),
        "test_list.txt: patient 4 has images in train_val_list.txt too",
    ),
    (
        "folder split=official",
        swap(OWN, ",val", ",vall"),
        "column 'split': 'vall' is none of train, val, test, nor empt",
    ),
    ("folder split=official", swap(OWN, ",train", ",Train"), "line 2, column 'split': 'Train' is none of"),
    ("folder split=official", each(OWN, lambda text: text.replace(",val", ",")), "no row has split 'val'"),
    ("folder split=official", each(OWN, without_column(3)), "data.split=official needs a column 'split'"),
    ("folder split=lesion", dict, "data.split='lesion': folder has seeded and official"),
    ("folder channels=2", lambda files: files, "data.channels=2 is not one of: 1, 3"),
]


@pytest.mark.parametrize(("source", "change", "complaint"), CASES, ids=[f"{c[0]}-{c[2][:40]}" for c in CASES])
def test_a_table_that_cannot_be_used_is_refused_in_one_line_that_helps(
    root: Path, capsys: pytest.CaptureFixture, source: str, change: Callable[[Files], Files], complaint: str
):
    name, _, setting = source.partition(" ")
    _, split, files = SOURCES[name]
    written(root, change(files()))
    told = refused(capsys, data.main, "prepare", name, f"data.split={split}", *([f"data.{setting}"] if setting else []))
    assert complaint in told
    assert len(told) < 500 + 2 * len(str(root))
    assert str(root) in told or "data." in told or name in told
    assert not prepared_folder().exists()  # nothing was begun


@pytest.mark.parametrize("source", ["isic2019", "chestxray14", "folder"])
def test_the_tables_that_the_cases_damage_are_fine_themselves(root: Path, source: str):
    listing, split, files = SOURCES[source]
    written(root, files())
    assert set(listing({"name": source, "size": 128, "split": split}).split) == {"train", "val", "test"}
