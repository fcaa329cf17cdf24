"""Running a study: only what is missing, each pretraining once, past failures, deaths and other processes."""

import functools
import shlex
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pymongo import MongoClient
from pymongo.database import Database
from sacred.arg_parser import get_config_updates

from repro.configs.resolve import flat
from repro.execution import experiment, resources
from repro.reproduce.engines import waiting
from repro.reproduce.engines.local import run_missing
from repro.reproduce.study.cells import Cell
from repro.reproduce.study.completed import done_by
from repro.reproduce.study.status import standings
from repro.store import find_runs, problems_of
from repro.store.delivery import spool_folder
from repro.store.liveness import DEAD_AFTER
from repro.store.observer import DurableObserver
from tests.conftest import ROOT
from tests.data.tables import own, written
from tests.store.outage import Relay
from tests.test_front_doors import QUICK


def states(database: Database, study: list[Cell]) -> list[str]:
    return [standing.state for standing in standings(database, study)]


def test_each_cell_runs_once_and_a_transfer_takes_the_encoder_of_its_origin(database: Database, study: list[Cell]):
    assert states(database, study) == ["missing"] * 3
    assert run_missing(database, study) == []
    assert states(database, study) == ["done"] * 3
    runs = find_runs(database)
    assert [problems_of(database, run) for run in runs] == [[]] * 3
    assert [run["info"]["cell"] for run in runs] == [cell.key for cell in study]
    assert runs[2]["command"] == "evaluate"
    assert runs[2]["config"]["evaluate"]["pretraining"] == 2
    assert run_missing(database, study) == []
    assert len(find_runs(database)) == 3
    database.metrics.delete_one({"run_id": 2})
    assert done_by(database, study[1]) is None
    assert run_missing(database, study) == []
    assert [run["info"]["cell"] for run in find_runs(database)[3:]] == [study[1].key]  # its transfer is still true


def test_what_builds_on_a_failed_cell_is_listed_with_it_and_the_rest_runs(database: Database, study: list[Cell]):
    random_init, byol, transfer = study
    broken = Cell(byol.named, {**byol.updates, "pretrain.warmup_epochs": 99}, byol.task)
    carried = Cell(transfer.named, transfer.updates, transfer.task, broken)
    failures = run_missing(database, [broken, carried, random_init])
    assert [failure.cell for failure in failures] == [broken, carried]
    assert "is more than pretrain.epochs" in failures[0].reason
    assert "has no whole run" in failures[1].reason
    found = standings(database, [broken, carried, random_init])
    assert [standing.state for standing in found] == ["failed", "missing", "done"]
    assert "is more than pretrain.epochs" in found[0].reason


def test_a_run_killed_here_is_known_for_dead_at_once(database: Database, study: list[Cell]):
    cell = study[1]
    words = [sys.executable, "-m", "repro.run", *shlex.split(cell.command)[3:], "pretrain.epochs=5000"]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    long = Cell(cell.named, {**cell.updates, "pretrain.epochs": 5000}, cell.task)
    while states(database, [long]) != ["running"]:
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert states(database, [long]) == ["stopped"]


def test_a_cell_that_another_machine_runs_is_waited_for_and_taken_over_if_that_dies(
    database: Database, study: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(waiting, "SECONDS_OF_DOUBT", 0.3)
    cell = study[0]
    now = datetime.now(UTC)
    elsewhere = {"cell": cell.key, "runs_folder": "another"}
    database.runs.insert_one({"_id": 1, "status": "RUNNING", "heartbeat": now, "info": elsewhere, "config": {}})
    assert states(database, [cell]) == ["running"]
    done: list[object] = []
    waiter = threading.Thread(target=lambda: done.append(run_missing(database, [cell])))
    waiter.start()
    time.sleep(1.0)
    assert waiter.is_alive()
    assert len(find_runs(database)) == 1
    database.runs.update_one({"_id": 1}, {"$set": {"heartbeat": now - DEAD_AFTER - timedelta(seconds=1)}})
    waiter.join(60)
    assert done == [[]]
    dead, own = find_runs(database)
    assert (dead["status"], dead["info"]["continued_by"]) == ("INTERRUPTED", own["_id"])
    assert own["status"] == "COMPLETED"


def test_a_study_waits_out_an_outage_of_its_database_at_the_end_of_a_cell(
    database: Database, study: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(experiment, "DurableObserver", functools.partial(DurableObserver, patience=0.3))
    assert database.client.address is not None
    relay = Relay(database.client.address[1])
    outcome: list[object] = []
    timeouts = {"serverSelectionTimeoutMS": 300, "connectTimeoutMS": 300}
    with MongoClient("127.0.0.1", relay.port, directConnection=True, **timeouts) as client:
        working = threading.Thread(target=lambda: outcome.append(run_missing(client[database.name], study)))
        working.start()
        while states(database, study) != ["done", "running", "missing"]:
            time.sleep(0.01)
        relay.cut()
        (journal,) = spool_folder().glob("*/journal.jsonl")
        while '"COMPLETED"' not in journal.read_text():
            time.sleep(0.05)
        while states(database, study) != ["done", "stopped", "missing"]:  # its process has given up waiting
            time.sleep(0.05)
        time.sleep(1.0)
        relay.mend()
        working.join(120)
    relay.close()
    assert outcome == [[]]
    runs = find_runs(database)
    assert [run["info"]["cell"] for run in runs] == [cell.key for cell in study]
    assert [problems_of(database, run) for run in runs] == [[]] * 3
    assert list(spool_folder().glob("*")) == []


def test_a_cell_whose_run_is_of_other_images_is_run_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    written(tmp_path, own(40))
    names = [f"img/{number}.png" for number in range(40)]

    def photograph(seed: int) -> None:
        for name, pixels in zip(names, np.random.default_rng(seed).integers(0, 256, (40, 8, 8, 3)), strict=True):
            (tmp_path / "folder" / name).parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "folder" / name)

    settings = dict(flat(get_config_updates([*QUICK, "data.size=16", "data.limit=None"])[0]))
    cell = Cell(("random_init", "folder", "smoke"), settings, "train")
    photograph(0)
    assert run_missing(database, [cell]) == []
    assert run_missing(database, [cell]) == []
    assert len(find_runs(database)) == 1
    photograph(1)
    resources._images.cache_clear()  # as in a new process
    assert run_missing(database, [cell]) == []
    first, second = find_runs(database)
    assert first["info"]["cell"] == second["info"]["cell"]
    assert first["info"]["study"] != second["info"]["study"], "they share no table"
    shutil.rmtree(tmp_path / "folder")
    resources._images.cache_clear()
    assert run_missing(database, [cell]) == [], "where the images are not to be had, the run stands"
    assert len(find_runs(database)) == 2


def test_of_five_thousand_runs_those_of_other_studies_are_not_asked_for(database: Database, study: list[Cell]):
    now = datetime.now(UTC)
    runs = [
        {"_id": n, "status": "COMPLETED", "heartbeat": now, "info": {"cell": f"train-{n}"}, "config": study[0].config}
        for n in range(1, 5001)
    ]
    runs[4000]["info"] = {"cell": study[1].key}
    database.runs.insert_many(runs)
    asked: list[tuple[str, object]] = []
    collection = database.runs

    class Counting:
        """The runs, and what they are asked."""

        def find(self, query: dict, *arguments: object) -> object:
            asked.append(("find", query))
            return collection.find(query, *arguments)

        def find_one(self, query: dict, *arguments: object, **more: object) -> object:
            asked.append(("find_one", query))
            return collection.find_one(query, *arguments, **more)

    class Database2:
        runs = Counting()

    assert [s.state for s in standings(Database2(), study)] == ["missing", "done", "missing"]  # type: ignore[arg-type]
    keys = [cell.key for cell in study]
    assert asked == [
        *(("find_one", {"info.cell": key, "status": "COMPLETED"}) for key in keys),
        ("find", {"info.cell": {"$in": [keys[0], keys[2]]}}),
    ]
