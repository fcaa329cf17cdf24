"""A run database that other Sacred experiments use too: their runs, metrics and files are theirs."""

from pathlib import Path

import pytest
from pymongo.database import Database
from sacred import Experiment
from sacred.observers import MongoObserver

from figures.evidence import reading
from repro import db
from repro.errors import InputError
from repro.store import find_runs, foreign_runs, metric_points, open_archive, problems_of
from repro.store.delivery import deliver_left_over
from repro.store.foreign import highest_id
from repro.store.journal import Journal
from repro.store.observer import DurableObserver
from tests.figures.synthetic import add, config
from tests.store.test_archive import WEIGHTS
from tests.store.test_observer import POINTS, experiment, run_with
from tests.test_front_doors import at, refused


def other_run(database: Database, name: str = "cifar_baseline", collection: str | None = None) -> int:
    """One run of somebody's own experiment, recorded by Sacred's own observer; return its id.

    Its metric is none of ours: to one of the same id and name Sacred would add its points.
    """
    ex = Experiment(name, save_git_info=False)
    place = {} if collection is None else {"collection": collection}
    ex.observers.append(MongoObserver(client=database.client, db_name=database.name, **place))
    ex.add_config(method="simclr", data="cifar10", seed=1)

    @ex.main
    def train(_run) -> float:
        for step in range(5):
            _run.log_scalar("accuracy", step / 5, step)
        _run.add_artifact(__file__)
        return 0.5

    return ex.run()._id


def our_run(database: Database) -> int:
    observer = DurableObserver(database)
    run_with(observer, experiment())
    observer.finish()
    assert observer.run_id is not None
    return observer.run_id


def test_metrics_of_an_experiment_with_a_collection_of_its_own_are_not_the_runs(database: Database, capsys):
    """Sacred numbers runs per collection, but keeps all metrics in one: ours and theirs have the same ids."""
    assert [other_run(database, collection="baseline_runs") for _ in range(3)] == [1, 2, 3]
    assert our_run(database) == 4
    assert [other_run(database, collection="baseline_runs") for _ in range(2)] == [4, 5]
    (run,) = find_runs(database)
    assert database.metrics.count_documents({"run_id": 4}) == 3
    assert problems_of(database, run) == []
    points = metric_points(database, [4])
    assert points.groupby("name").size().to_dict() == {"loss": POINTS, "rate": POINTS}
    assert at(db.main, "check") == 0
    said = capsys.readouterr().out
    assert "note: 4 metrics are of runs 1, 2, 3, 5, which are not there: deleted, or of an experiment" in said
    assert "note: 1 metrics have the id of a run here, but are of an experiment that shares the collection" in said
    assert "note: 10 files are of other experiments" in said  # of each run a source and an artifact


def test_such_metrics_stay_out_of_an_archive_and_do_not_stand_in_its_way(database: Database, tmp_path: Path):
    run_id = our_run(database)
    other_run(database, collection="baseline_runs")
    assert at(db.main, "export", str(tmp_path / "x.zip")) == 0
    with open_archive(tmp_path / "x.zip") as archive:
        ((_, series),) = archive.series([run_id])
        assert {one["name"] for one in series} == {"loss", "rate"}
        assert len(series) == 2
    assert at(db.main, "import", str(tmp_path / "x.zip")) == 0


@pytest.mark.parametrize("left", ["metrics", "files"])
def test_the_id_of_a_run_that_was_deleted_by_hand_is_never_given_again(database: Database, capsys, left: str):
    assert [our_run(database), our_run(database)] == [1, 2]
    database.runs.delete_one({"_id": 2})
    if left == "files":
        database.metrics.delete_many({"run_id": 2})
    assert highest_id(database) == 2
    assert our_run(database) == 3
    assert [problems_of(database, run) for run in find_runs(database)] == [[], []]
    assert at(db.main, "check") == 0
    said = capsys.readouterr().out
    assert f"(artifact://runs/2/{WEIGHTS}) of run 2 is mentioned by no run" in said
    assert ("2 metrics are of run 2, which is not there" in said) == (left == "metrics")


def test_runs_of_other_experiments_are_counted_and_neither_checked_nor_drawn_nor_exported(
    database: Database, tmp_path: Path, capsys
):
    add(database, config("byol", 0))
    for _ in range(2):
        other_run(database)
    # As people make them: named by words, without anything, with a shape of their own.
    database.runs.insert_many(
        [
            {"_id": "my run", "status": "COMPLETED", "command": "train", "config": {"seed": 1}},
            {"_id": 77},
            {"_id": 78, "experiment": {"name": "x"}, "command": "train", "status": "COMPLETED", "config": None},
        ]
    )
    line = "5 runs are of other experiments (cifar_baseline: 2, no name: 2, x: 1): never checked, drawn or exported"
    assert foreign_runs(database) == line
    assert [run["_id"] for run in find_runs(database)] == [1]
    capsys.readouterr()
    assert at(db.main, "check") == 0
    said = capsys.readouterr().out
    (ours,) = (text for text in said.splitlines() if text.startswith("run "))
    assert ours.startswith("run 1 (train, byol, seed 0): whole")
    assert f"note: {line}" in said
    found = reading.read(database)
    assert (len(found.studies), found.left_out) == (1, ())
    assert at(db.main, "export", str(tmp_path / "x.zip")) == 0
    assert f"{tmp_path / 'x.zip'}: 1 runs" in capsys.readouterr().out
    assert "run 2 is not in the run database, or is of another" in refused(capsys, db.main, "export", "x.zip", "2")
    assert highest_id(database) == 78


def test_a_database_with_nothing_but_other_experiments_has_nothing_to_draw(database: Database):
    other_run(database)
    with pytest.raises(InputError, match="holds no runs"):
        reading.read(database)


@pytest.mark.parametrize("part", ["config", "info", "artifacts", "status"])
def test_a_run_of_ours_whose_document_lost_a_part_is_damaged_and_no_traceback(database: Database, capsys, part: str):
    for seed in range(2):
        add(database, config("byol", seed))
    database.runs.update_one({"_id": 1}, {"$set": {"experiment.name": "additional_positive", part: None}})
    capsys.readouterr()
    assert at(db.main, "check") == (part in ("config", "info", "artifacts"))
    assert "run 1 (train" in capsys.readouterr().out
    (left_out,) = reading.read(database).left_out
    assert left_out.run == 1


def test_a_record_that_waited_is_not_mixed_into_another_run_after_the_database_was_restored(database: Database, caplog):
    """Of two machines, one still had a record to deliver when the database was set back and its id given again."""
    observer = DurableObserver(database)
    run_with(observer, experiment())
    assert observer.run_id == 1
    waiting, held = observer._journal.folder, list(observer._journal.entries())
    observer.finish()
    left = Journal.begin(waiting.with_name("1-copy"))
    left.append(*(entry for entry, _ in held if entry["kind"] != "file"))
    left.close(delete=False)
    for collection in ("runs", "metrics", "fs.files", "fs.chunks"):
        database[collection].delete_many({})
    assert our_run(database) == 1
    (before,) = find_runs(database)
    (waiting.parent / "1-copy").rename(waiting)
    assert deliver_left_over(database) == []
    assert find_runs(database) == [before]
    assert problems_of(database, before) == []
    assert "another run 1 is in the run database; was it restored from a backup?" in caplog.text
    assert waiting.with_name(waiting.name + ".damaged").is_dir()
