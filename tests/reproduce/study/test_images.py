"""A study's images: fetched before its runs, and what cannot be had told once."""

import logging
from pathlib import Path

import pytest

from repro.data.fetch import download
from repro.data.fetch.archives import OFFICIAL, File, Official
from repro.data.folder import prepared_folder
from repro.data.prepare.cache import MANIFEST
from repro.data.sources import kermany
from repro.reproduce.study.cells import Cell, cells
from repro.reproduce.study.images import fetch_missing
from tests.data.file_server import serving, zipped
from tests.data.pictures import make
from tests.data.tables import xrays
from tests.data.test_medmnist import arrays, written


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_an_official_data_set_is_downloaded_without_a_question_and_decoded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    make(tmp_path, 1)
    picture = next(tmp_path.glob("*.png")).read_bytes()
    content = {name.removeprefix("kermany/"): picture for name in xrays(3)}
    file = File("ChestXRay2017.zip", "https://example.org/ChestXRay2017.zip", None, None, unpack=True)
    monkeypatch.setitem(OFFICIAL, "kermany", Official((file,), "chest_xray", len(content), "CC BY", "https://x.org"))
    monkeypatch.setattr(download, "PAUSE", 0.01)
    with serving({"ChestXRay2017.zip": zipped({f"{kermany.FOLDER}/": b"", **content})}) as server:
        monkeypatch.setenv("REPRO_MIRROR", server.url)
        cell = Cell(("byol", "kermany", "smoke"), {"data.split": "official", "data.size": 16}, "train")
        fetch_missing([cell, cell])
        assert len(server.asked("ChestXRay2017.zip")) == 1
    assert len(list((root / "kermany" / "chest_xray").rglob("*.jpeg"))) == len(content)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert len(list(prepared_folder().rglob(MANIFEST))) == 1


def test_what_cannot_be_had_is_told_once_and_stops_nothing(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REPRO_MIRROR", (root / "nothing").as_uri())
    written(root / "medmnist", arrays())
    written(root / "medmnist", arrays(channels=1, classes=2), "pneumoniamnist")
    written(root / "medmnist", arrays(channels=1, classes=2), "breastmnist")
    with caplog.at_level(logging.ERROR):
        fetch_missing(cells("medmnist", methods=["byol"], seeds=[0, 1]))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("cells on dermamnist (lesion split) cannot run: file:")
    assert "dermamnist_split_info.csv: no such file" in message
