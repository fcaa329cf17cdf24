"""An archive of runs is enough to draw everything, without any server."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from figures.__main__ import main
from repro import db
from repro.errors import InputError
from tests.figures.page.test_index import contents
from tests.figures.synthetic import add, add_study, add_transfers, add_whole_study, config


@dataclass(frozen=True)
class Study:
    """A study in a run database: archives of it by option, what was drawn from the database, and what was said."""

    archives: dict[str, Path]
    drawn: dict[str, bytes]
    said: str
    damaged: int


@pytest.fixture(scope="module")
def study(stored, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with a transfer, a failed run and a damaged run, drawn once for all tests here."""
    database, address = stored
    folder, said = tmp_path_factory.mktemp("study"), io.StringIO()
    made = add_whole_study(database, ("random_init", "byol", "byol_tracin"), seeds=2, evaluate__fractions=[1.0])
    add_transfers(database, {("byol", 0): made["byol", 0]}, "breastmnist")
    add(database, config("byol", 9), status="FAILED")
    damaged = add(database, config("byol", 8))
    database.metrics.update_one({"run_id": damaged, "name": "pretrain/loss"}, {"$set": {"values.3": 0.5}})
    archives = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_RUNS", str(folder / "runs"))
        patch.setenv("REPRO_MONGO_URI", address)
        for option in ("--all", "--no-weights", "--no-pictures"):
            archives[option] = folder / f"runs{option}.zip"
            db.main(["export", *([option] if option != "--all" else []), str(archives[option])])
        with contextlib.redirect_stderr(said):
            main(["--out", str(folder / "results")])
    return Study(archives, contents(folder / "results"), said.getvalue(), damaged)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--all", "--no-weights"])
def test_an_archive_gives_the_same_bytes_as_its_database_and_needs_no_server(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, option: str
) -> None:
    monkeypatch.setenv("REPRO_RUNS", "/proc/no/folder")
    monkeypatch.setenv("REPRO_MONGO_URI", "mongodb://127.0.0.1:1/")
    main(["--archive", str(study.archives[option]), "--out", str(tmp_path / "again")])
    left_out = f"left out: run {study.damaged}, train byol dermamnist seed 8: metric pretrain/loss is altered"
    assert left_out in study.said
    assert capsys.readouterr().err == study.said
    assert contents(tmp_path / "again") == study.drawn


@pytest.mark.slow
def test_an_archive_without_pictures_draws_all_but_the_pictures(study: Study, tmp_path: Path) -> None:
    main(["--archive", str(study.archives["--no-pictures"]), "--out", str(tmp_path / "again")])
    again = contents(tmp_path / "again")
    lacking = {Path(name).name.split(".")[0].removesuffix("-column") for name in study.drawn.keys() - again.keys()}
    assert lacking == {"gallery", "views"}
    assert {name for name in again if study.drawn[name] != again[name]} == {"index.html"}


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


def test_the_results_of_an_archive_leave_your_own_as_they_are(database, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("REPRO_RESULTS", str(tmp_path / "results"))
    add_study(database, ("byol",), seeds=1)
    main(["claims"])
    own = contents(tmp_path / "results")
    db.main(["export", str(tmp_path / "theirs.zip")])
    add_study(database, ("byol_tracin",), seeds=1)
    main(["claims", "--archive", str(tmp_path / "theirs.zip")])
    assert {name: content for name, content in contents(tmp_path / "results").items() if name in own} == own
    assert (tmp_path / "results" / "archives" / "theirs" / "claims.md").exists()
