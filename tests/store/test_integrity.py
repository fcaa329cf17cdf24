"""Every kind of damage to a stored run is found and named."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener, CommandStartedEvent
from sacred import Experiment

from repro.execution.recorder import Recorder
from repro.store import examine, find_runs
from repro.store.foreign import EXPERIMENT
from repro.store.observer import DurableObserver
from tests.store.test_observer import experiment, run_with


@pytest.fixture
def stored(database: Database) -> Database:
    observer = DurableObserver(database)
    run_with(observer, experiment())
    observer.finish()
    return database


def problems(database: Database) -> list[str]:
    run = database.runs.find_one()
    assert run is not None
    return next(examine(database, [run], details=True)).problems


SERIES = ("steps", "values", "timestamps")
OTHERS = "metric rate is altered: its points are not those that were recorded"


def swap(database: Database) -> None:
    """Exchange the values of two neighbouring points."""
    values = database.metrics.find_one({"name": "rate"})["values"]
    values[2], values[3] = values[3], values[2]
    database.metrics.update_one({"name": "rate"}, {"$set": {"values": values}})


def repeat(database: Database) -> None:
    """Put a copy of one point in the place of the next."""
    series = database.metrics.find_one({"name": "rate"})
    for key in SERIES:
        series[key][3] = series[key][2]
    database.metrics.replace_one({"_id": series["_id"]}, series)


def later(database: Database, key: str) -> None:
    """Move a time by one millisecond."""
    time = database.runs.find_one()[key]
    database.runs.update_one({}, {"$set": {key: time + timedelta(milliseconds=1)}})


def artifact(database: Database) -> ObjectId:
    """The file that holds the artifact."""
    return database.runs.find_one()["artifacts"][0]["file_id"]


def source(database: Database) -> ObjectId:
    """The file that holds the stored source."""
    return database.runs.find_one()["experiment"]["sources"][0][1]


DAMAGE: dict[str, tuple[Callable[[Database], object], str]] = {
    "a lost point": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$pop": dict.fromkeys(SERIES, -1)}),
        "metric rate has 399 of 400 points",
    ),
    "a point too many": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$push": {"steps": 1, "values": 1, "timestamps": 1}}),
        "metric rate has 401 of 400 points",
    ),
    "an altered value": (lambda db: db.metrics.update_one({"name": "rate"}, {"$set": {"values.3": 3.0000001}}), OTHERS),
    "an altered step": (lambda db: db.metrics.update_one({"name": "rate"}, {"$set": {"steps.3": 4}}), OTHERS),
    "a value that is no number": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$set": {"values.3": "3.0"}}),
        "metric rate is altered: '3.0' is no number",
    ),
    "swapped points": (swap, OTHERS),
    "a repeated point": (repeat, OTHERS),
    "points of another metric": (
        lambda db: [
            db.metrics.update_one({"name": "rate"}, {"$set": {"name": "x"}}),
            db.metrics.update_one({"name": "loss"}, {"$set": {"name": "rate"}}),
            db.metrics.update_one({"name": "x"}, {"$set": {"name": "loss"}}),
        ],
        "metric loss is altered: its points are not those that were recorded; " + OTHERS,
    ),
    "an altered config": (
        lambda db: db.runs.update_one({}, {"$set": {"config.nested.list.0": 7}}), "config is altered",
    ),
    "an altered fact": (
        lambda db: db.runs.update_one({}, {"$set": {"info.answer.value": 43}}), "info.answer is altered",
    ),
    "a lost fact": (lambda db: db.runs.update_one({}, {"$unset": {"info.answer": 1}}), "info.answer is missing"),
    "plain counts": (
        lambda db: db.runs.update_one({}, {"$set": {"info.expected.metrics": {"loss": 400, "rate": 400}}}),
        "it has only the number of metric points, no checksum of them",
    ),
    "no facts": (
        lambda db: db.runs.update_one({}, {"$unset": {"info.expected.facts": 1}}),
        "it does not say which config and facts it had",
    ),
    "uneven columns": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$pop": {"values": 1}}), "different lengths",
    ),
    "a lost metric": (lambda db: db.metrics.delete_one({"name": "loss"}), "metric loss has 0 of 400 points"),
    "a metric never logged": (
        lambda db: db.runs.update_one({}, {"$push": {"info.metrics": {"name": "x", "id": str(db.metrics.insert_one(
            {"run_id": 1, "name": "x", "steps": [1], "values": [1], "timestamps": [1]}).inserted_id)}}}),
        "metric x has 1 of 0 points",
    ),
    "a lost chunk": (lambda db: db.fs.chunks.delete_one({"n": 2}), "artifact weights.safetensors cannot be read"),
    "an altered chunk": (
        lambda db: db.fs.chunks.update_one({"n": 2}, {"$set": {"data": bytes(255 * 1024)}}),
        "artifact weights.safetensors is altered",
    ),
    "an artifact no longer listed": (
        lambda db: db.runs.update_one({}, {"$set": {"artifacts": []}}), "artifact weights.safetensors is missing",
    ),
    "an altered command": (lambda db: db.runs.update_one({}, {"$set": {"command": "main"}}), "command is altered"),
    "an altered result": (lambda db: db.runs.update_one({}, {"$set": {"result": 0.9}}), "result is altered"),
    "a lost result": (lambda db: db.runs.update_one({}, {"$unset": {"result": 1}}), "result is missing"),
    "another host": (lambda db: db.runs.update_one({}, {"$set": {"host.hostname": "x"}}), "host is altered"),
    "an altered beginning": (lambda db: later(db, "start_time"), "start_time is altered"),
    "an altered end": (lambda db: later(db, "stop_time"), "stop_time is altered"),
    "a warning taken away": (lambda db: db.runs.update_one({}, {"$set": {"captured_out": "x"}}), "captured_out is"),
    "other named configs": (lambda db: db.runs.update_one({}, {"$set": {"meta.options": {}}}), "meta is altered"),
    "another experiment": (lambda db: db.runs.update_one({}, {"$set": {"experiment.name": "x"}}), "experiment is"),
    "an altered source": (
        lambda db: db.fs.chunks.update_one({"files_id": source(db)}, {"$set": {"data": b"x"}}),
        "a stored source is altered",
    ),
    "a lost source": (
        lambda db: db.runs.update_one({}, {"$set": {"experiment.sources": []}}), "a stored source is altered",
    ),
    "an exchanged source": (
        lambda db: db.runs.update_one({}, {"$set": {"experiment.sources.0.1": artifact(db)}}),
        "a stored source is altered",
    ),
    "no expectation": (
        lambda db: db.runs.update_one({}, {"$unset": {"info.expected": 1}}), "it does not say what it should hold",
    ),
    "not completed": (lambda db: db.runs.update_one({}, {"$set": {"status": "RUNNING"}}), "status is RUNNING"),
}  # fmt: skip


def test_an_undamaged_run_has_no_problems(stored: Database):
    assert problems(stored) == []


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_named(stored: Database, kind: str):
    damage, complaint = DAMAGE[kind]
    damage(stored)
    assert complaint in "; ".join(problems(stored))


def test_what_no_figure_reads_is_checked_where_it_is_asked_for(stored: Database):
    stored.runs.update_one({}, {"$set": {"host.hostname": "x"}})
    (quick,), (thorough,) = (list(examine(stored, find_runs(stored), details=asked)) for asked in (False, True))
    assert quick.problems == []
    assert thorough.problems == ["host is altered"]


def test_a_run_stored_before_these_hashes_is_whole_and_older(stored: Database):
    stored.runs.update_one({}, {"$unset": {"info.expected.record": 1}})
    stored.runs.update_one({}, {"$set": {"result": 0.9}})
    (finding,) = examine(stored, find_runs(stored), details=True)
    assert (finding.problems, finding.older) == ([], True)


def test_a_heartbeat_that_comes_after_the_end_leaves_the_run_whole(database: Database):
    observer = DurableObserver(database)
    run = run_with(observer, experiment())
    observer.heartbeat_event({**run.info, "late": 1}, "a late line", datetime.now(), run.result)
    observer.finish()
    assert problems(database) == []
    stored = database.runs.find_one()
    assert (stored["captured_out"], stored["info"]["late"]) == ("a late line", 1)
    assert "record" in stored["info"]["expected"]


def test_names_with_dots_dollars_and_slashes_and_values_that_are_not_finite_are_held_against_the_record(
    database: Database,
):
    names = ("finetune/0.5/val", "a.b", "cost$", "ü")
    ex = Experiment(EXPERIMENT, save_git_info=False)
    ex.add_config(seed=1, rate=float("nan"), wide=2**40, nested={"b": (1, 2), "a": None})

    @ex.main
    def run(_run) -> None:
        recorder = Recorder(_run)
        for name in names:
            for step, value in enumerate([math.nan, math.inf, -math.inf, -0.0, 5e-324]):
                recorder.metric(name, value, step)
        recorder.info(sizes={"train": 3}, names=("x", "y"))
        recorder.complete()

    observer = DurableObserver(database)
    run_with(observer, ex)
    observer.finish()
    assert problems(database) == []
    database.metrics.update_one({"name": "a.b"}, {"$set": {"values.3": 0.0}})
    assert problems(database) == ["metric a.b is altered: its points are not those that were recorded"]


class Commands(CommandListener):
    """Counts what is sent to a server."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass


def test_many_runs_are_examined_with_few_questions_and_each_as_it_is(stored: Database):
    run, series = stored.runs.find_one(), list(stored.metrics.find())
    assert run is not None
    for run_id in range(2, 121):
        copies = [
            {**one, "_id": ObjectId(), "run_id": run_id} for one in series if (run_id, one["name"]) != (77, "rate")
        ]
        listed = [{"name": one["name"], "id": str(one["_id"])} for one in copies]
        stored.runs.insert_one({**run, "_id": run_id, "info": {**run["info"], "metrics": listed}})
        stored.metrics.insert_many(copies)
    stored.runs.update_one({"_id": 100}, {"$set": {"status": "FAILED"}})
    commands = Commands()
    with MongoClient(*stored.client.address, event_listeners=[commands], directConnection=True) as client:
        database = client[stored.name]
        found = {finding.run["_id"]: finding.problems for finding in examine(database, find_runs(database))}
    assert list(found) == list(range(1, 121))
    assert {run_id: problems for run_id, problems in found.items() if problems} == {
        77: ["metric rate has 0 of 400 points"],
        100: ["status is FAILED"],
    }
    # Runs; of 50 runs each their metrics, and whose those are; files; the content they share.
    assert commands.names.count("find") == 1 + 2 * 3 + 1 + 1
    assert len(commands.names) < 30
