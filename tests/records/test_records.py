"""Stored runs: listed, shown, compared, as a table, watched, deleted; each told as the database holds it."""

import io
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymongo.database import Database

from repro import db, runs
from repro.errors import InputError
from repro.store import metric_points
from tests.conftest import ROOT
from tests.figures import synthetic
from tests.test_front_doors import at, refused

METHODS = ("byol", "byol_tracin")


@pytest.fixture
def study(database: Database) -> Database:
    """Two methods with two seeds each, and a run of another experiment."""
    for seed in (0, 1):
        for method in METHODS:
            synthetic.add(
                database, synthetic.config(method, seed), files={"test_scores.npz": {"labels": np.arange(seed)}}
            )
    database.runs.insert_one({"_id": "theirs", "status": "COMPLETED", "config": {"lr": 1}})
    return database


def test_runs_are_listed_newest_last_and_others_are_counted(study: Database, capsys: pytest.CaptureFixture):
    assert at(db.main, "list") == 0
    head, *lines, note = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["run", "status", "command", "method", "data"]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4"]
    assert note.startswith("not listed: 1 run is of other experiments")
    assert at(db.main, "list", "--method", "byol_tracin", "--seed", "1", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["run"], row["method"], row["seed"]) == (4, "byol_tracin", 1)
    assert "no run has method 'byol_tracing'. Did you mean 'byol_tracin'?" in refused(
        capsys, db.main, "list", "--method", "byol_tracing"
    )
    study.runs.update_one({"_id": 1}, {"$set": {"status": "FAILED"}})
    assert at(db.main, "list", "--method", "byol_tracin", "--status", "FAILED") == 0  # another method's run has it
    assert capsys.readouterr().out.startswith("no runs")
    assert "'soon' is no date" in refused(capsys, db.main, "list", "--since", "soon")
    assert at(db.main, "list", "--since", "2999-01-01") == 0
    assert capsys.readouterr().out.startswith("no runs")


def test_a_run_on_record_as_running_whose_process_is_gone_is_told_as_dead(
    study: Database, capsys: pytest.CaptureFixture
):
    study.runs.update_one({"_id": 3}, {"$set": {"status": "RUNNING"}, "$currentDate": {"heartbeat": True}})
    assert at(db.main, "watch", "--once") == 0
    alive = capsys.readouterr().out.splitlines()[1].split()
    assert alive[:2] == ["3", "RUNNING"]
    study.runs.update_one({"_id": 3}, {"$set": {"heartbeat": datetime(2026, 1, 1)}})
    assert at(db.main, "watch", "--once") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["3", "DEAD"]


def test_a_run_is_shown_with_what_is_not_the_default_and_its_files(study: Database, capsys: pytest.CaptureFixture):
    assert at(db.main, "show", "2") == 0
    out = capsys.readouterr().out
    assert "byol_tracin" in out
    assert "selector.name" in out
    for artifact in study.runs.find_one({"_id": 2})["artifacts"]:
        assert artifact["name"] in out
    study.runs.update_one({"_id": 2}, {"$set": {"config.seed": 9, "captured_out": "its last words\n"}})
    assert at(db.main, "show", "2", "--output") == 0
    out = capsys.readouterr().out
    assert "DAMAGED: config is altered" in out
    assert out.endswith("its last words\n")
    assert "no run 9 in the run database" in refused(capsys, db.main, "show", "9")


def test_two_runs_differ_in_what_was_set_and_in_nothing_else(study: Database, capsys: pytest.CaptureFixture):
    study.runs.update_one({"_id": 3}, {"$set": {"info.provenance.versions.torch": "1.0"}})
    assert at(db.main, "diff", "1", "3") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["seed", "0", "1"] in lines
    assert any(line[:1] == ["torch"] and line[-1] == "1.0" for line in lines)
    assert not any(line[:1] == ["pretrain.lr"] for line in lines)
    assert at(db.main, "diff", "1", "1") == 0
    assert "the same settings, provenance, data and scores" in capsys.readouterr().out


def test_the_table_holds_every_setting_and_every_final_score(study: Database, tmp_path: Path, capsys):
    frame = runs()
    assert list(frame.index) == [1, 2, 3, 4]
    points = metric_points(study, [1, 2, 3, 4], "test/")
    for point in points.itertuples():
        assert frame.loc[point.run_id, f"{point.name}/{point.step:g}"] == point.value
    assert frame["config.seed"].tolist() == [0, 0, 1, 1]
    assert at(db.main, "table", str(tmp_path / "runs.csv")) == 0
    read = pd.read_csv(tmp_path / "runs.csv", index_col="run")
    pd.testing.assert_frame_equal(read.filter(like="test/"), frame.filter(like="test/"), check_names=False)
    assert len(runs(method="byol", seed=1)) == 1
    with pytest.raises(InputError, match=r"no filter 'metod'. Did you mean 'method'"):
        runs(metod="byol")
    assert "name it *.csv or *.parquet" in refused(capsys, db.main, "table", str(tmp_path / "runs.txt"))


def test_no_runs_give_an_empty_table(database: Database):
    assert len(runs()) == 0


def test_an_archive_is_a_table_too():
    frame = runs.of(ROOT / "figures" / "reference" / "runs.zip")(data="pneumoniamnist", method="byol")
    scores = frame["test/finetune/balanced_accuracy/100"].dropna()  # runs that chose the recipe have none
    assert 3 <= len(scores) < len(frame)
    assert scores.between(0.5, 1).all()


def test_deleting_takes_a_run_and_all_that_is_its_alone(
    study: Database, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    files = {run["_id"]: {item["file_id"] for item in run.get("artifacts", [])} for run in study.runs.find()}
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert at(db.main, "delete", "1") == 0
    assert "nothing was deleted" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "nobody can confirm" in refused(capsys, db.main, "delete", "1")
    assert study.runs.count_documents({}) == 5
    study.runs.update_one({"_id": 4}, {"$set": {"config.evaluate.pretraining": 2}})
    assert "run 4 builds on run 2; delete both, or neither" in refused(capsys, db.main, "delete", "1", "2", "--yes")
    source = next(iter(files[3]))
    for run_id in (1, 3):
        study.runs.update_one({"_id": run_id}, {"$set": {"experiment.sources": [["a.py", source]]}})
    assert at(db.main, "delete", "1", "--yes") == 0
    assert [run["_id"] for run in study.runs.find({"_id": {"$type": "number"}})] == [2, 3, 4]
    assert study.metrics.count_documents({"run_id": 1}) == 0
    kept = {file["_id"] for file in study.fs.files.find()}
    assert kept == files[2] | files[3] | files[4]
    assert set(study.fs.chunks.distinct("files_id")) == kept
    assert at(db.main, "delete", "2", "4", "--yes") == 0
    assert [run["_id"] for run in study.runs.find({"_id": {"$type": "number"}})] == [3]


def test_failed_runs_that_a_completed_run_repeats_are_listed_only_if_asked_for(
    study: Database, capsys: pytest.CaptureFixture
):
    study.runs.delete_one({"_id": "theirs"})
    again = synthetic.add(study, synthetic.config("byol", 0), status="FAILED")
    alone = synthetic.add(study, synthetic.config("byol", 7), status="FAILED")
    assert at(db.main, "list") == 0
    printed = capsys.readouterr().out
    assert [int(line.split()[0]) for line in printed.splitlines()[1:6]] == [1, 2, 3, 4, alone]
    assert "not listed: 1 failed or interrupted runs that a completed run repeats; --all lists them" in printed
    for more in (["--all"], ["--status", "FAILED"]):
        assert at(db.main, "list", *more) == 0
        assert f"\n{again} " in capsys.readouterr().out
