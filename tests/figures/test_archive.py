"""An archive of runs is enough to draw everything, without any server."""

from pathlib import Path

import pytest

from figures.__main__ import main
from repro import db
from repro.errors import InputError
from tests.figures.synthetic import add, add_study, add_transfers, add_whole_study, config
from tests.figures.test_page import contents


@pytest.mark.parametrize("weights", [[], ["--no-weights"]])
def test_an_archive_gives_the_same_bytes_as_its_database_and_needs_no_server(
    database, draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, weights: list[str]
) -> None:
    made = add_whole_study(database, ("random_init", "byol", "byol_tracin"), seeds=2, evaluate__fractions=[1.0])
    add_transfers(database, {("byol", 0): made["byol", 0]}, "breastmnist")
    add(database, config("byol", 9), status="FAILED")
    damaged = add(database, config("byol", 8))
    database.metrics.update_one({"run_id": damaged, "name": "pretrain/loss"}, {"$set": {"values.3": 0.5}})
    db.main(["export", *weights, str(tmp_path / "runs.zip")])
    capsys.readouterr()
    drawn = contents(draw())
    said = capsys.readouterr().err
    monkeypatch.setenv("REPRO_RUNS", "/proc/no/folder")
    monkeypatch.setenv("REPRO_MONGO_URI", "mongodb://127.0.0.1:1/")
    main(["--archive", str(tmp_path / "runs.zip"), "--out", str(tmp_path / "again")])
    assert f"left out: run {damaged}, train byol dermamnist seed 8: metric pretrain/loss is altered" in said
    assert capsys.readouterr().err == said
    assert contents(tmp_path / "again") == drawn


def test_an_archive_without_pictures_draws_all_but_the_pictures(database, draw, tmp_path: Path) -> None:
    add_whole_study(database, ("random_init", "byol", "byol_tracin"), seeds=1, evaluate__fractions=[1.0])
    db.main(["export", "--no-pictures", str(tmp_path / "runs.zip")])
    drawn = contents(draw())
    main(["--archive", str(tmp_path / "runs.zip"), "--out", str(tmp_path / "again")])
    again = contents(tmp_path / "again")
    lacking = {Path(name).name.split(".")[0].removesuffix("-column") for name in drawn.keys() - again.keys()}
    assert lacking == {"gallery", "views"}
    assert {name for name in again if drawn[name] != again[name]} == {"index.html"}


def test_nothing_is_drawn_from_a_bad_archive(database, tmp_path: Path) -> None:
    add_study(database, ("byol",), seeds=1)
    archive = tmp_path / "runs.zip"
    db.main(["export", str(archive)])
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(InputError, match="is not a whole archive of runs"):
        main(["--archive", str(archive), "--out", str(tmp_path / "results")])
    assert list((tmp_path / "results").glob("*")) == []
