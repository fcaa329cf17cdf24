"""Every kind of damage to a stored run is found and named."""

from collections.abc import Callable

import pytest
from pymongo.database import Database

from repro.store import problems_of
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
    return problems_of(database, run)


SERIES = ("steps", "values", "timestamps")
DAMAGE: dict[str, tuple[Callable[[Database], object], str]] = {
    "a lost point": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$pop": dict.fromkeys(SERIES, -1)}),
        "metric rate has 399 of 400 points",
    ),
    "a point too many": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$push": {"steps": 1, "values": 1, "timestamps": 1}}),
        "metric rate has 401 of 400 points",
    ),
    "uneven columns": (
        lambda db: db.metrics.update_one({"name": "rate"}, {"$pop": {"values": 1}}), "different lengths",
    ),
    "a lost metric": (lambda db: db.metrics.delete_one({"name": "loss"}), "metric loss has 0 of 400 points"),
    "a metric never logged": (
        lambda db: db.metrics.insert_one({"run_id": 1, "name": "x", "steps": [1], "values": [1], "timestamps": [1]}),
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
    "no expectation": (
        lambda db: db.runs.update_one({}, {"$unset": {"info.expected": 1}}), "says not what it should hold",
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
