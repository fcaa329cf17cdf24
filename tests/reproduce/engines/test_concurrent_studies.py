"""Several people at one study, and a database that cannot do its work: each cell once, and nobody fails for it."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from repro import db
from repro.errors import BusyError
from repro.execution import resources
from repro.execution.experiment import execute
from repro.pretrain.checkpoint import Checkpoint
from repro.reproduce.engines import local, waiting
from repro.reproduce.engines.local import run_missing
from repro.reproduce.engines.waiting import is_running
from repro.reproduce.study.cells import Cell
from repro.store import find_runs, open_database, problems_of
from repro.store.delivery import spool_folder
from repro.store.liveness import DEAD_AFTER
from repro.store.observer import DurableObserver
from tests.conftest import ROOT
from tests.data.tables import own, written
from tests.store.server import Server
from tests.test_front_doors import QUICK, at


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LOOKS", 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("machines", [1, 2])
def test_studies_started_at_once_run_each_cell_once_and_all_end_well(database: Database, tmp_path: Path, machines: int):
    study = ["--scale", "smoke", "--methods", "random_init", "byol", "--seeds", "1", "2", "--fallback", "phantom"]
    words = [sys.executable, "-m", "repro.reproduce", "run", *study, "--set", *QUICK]
    folders = [tmp_path / f"machine{number % machines}" for number in range(2)]
    environments = [{**os.environ, "REPRO_RUNS": str(folder), "REPRO_DATA": str(tmp_path)} for folder in folders]
    people = [subprocess.Popen(words, cwd=ROOT, env=each, stderr=subprocess.PIPE) for each in environments]
    for person in people:
        said = person.communicate(timeout=240)[1].decode()
        assert person.returncode == 0, said
    runs = find_runs(database)
    assert Counter(run["status"] for run in runs) == {"COMPLETED": 4}
    assert len({run["info"]["cell"] for run in runs}) == 4


def elsewhere(database: Database, cell: Cell, heartbeat: datetime) -> None:
    info = {"cell": cell.key, "runs_folder": "another"}
    database.runs.insert_one({"_id": 1, "status": "RUNNING", "heartbeat": heartbeat, "info": info, "config": {}})


def test_of_two_machines_that_begin_a_cell_at_once_the_later_leaves_it_without_a_trace(
    database: Database, study: list[Cell]
):
    cell = study[0]
    elsewhere(database, cell, datetime.now(UTC))
    with pytest.raises(BusyError, match="run 1 has the same config and is running elsewhere"):
        execute(database, cell.task, cell.config, list(cell.named))
    assert [run["_id"] for run in find_runs(database)] == [1]
    assert list(spool_folder().glob("*")) == []


def test_a_cell_that_another_process_completes_after_the_first_look_is_not_run_again(
    database: Database, study: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    cell = study[0]
    assert run_missing(database, [cell], jobs=1) == []
    monkeypatch.setattr(local, "_done", lambda *_: None)  # the first look was before
    with pytest.raises(BusyError, match="has completed the same config meanwhile"):
        local.attempt(database, cell, "again")
    assert [run["status"] for run in find_runs(database)] == ["COMPLETED"]
    assert list(spool_folder().glob("*")) == []


@pytest.mark.parametrize("lives", [True, False])
def test_a_run_elsewhere_is_not_taken_for_dead_while_its_signs_of_life_may_be_on_their_way(
    database: Database, study: list[Cell], monkeypatch: pytest.MonkeyPatch, lives: bool
):
    monkeypatch.setattr(waiting, "SECONDS_OF_DOUBT", 1.0)
    old = datetime.now(UTC) - 2 * DEAD_AFTER
    elsewhere(database, study[0], old)
    if lives:  # what it did during an outage arrives beat by beat, and the first are old themselves
        beat = {"$set": {"heartbeat": old + timedelta(seconds=10)}}
        threading.Timer(0.3, lambda: database.runs.update_one({"_id": 1}, beat)).start()
    assert is_running(database, study[0]) is lives


def test_a_record_that_cannot_be_read_back_at_once_is_no_failure_and_leaves_no_checkpoint(
    database: Database, study: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    read_back, answers = DurableObserver._read_back, iter([False])

    def lost_once(observer: DurableObserver) -> list[str]:
        if next(answers, True):
            return read_back(observer)
        raise AutoReconnect("the line is cut")

    monkeypatch.setattr(DurableObserver, "_read_back", lost_once)
    assert run_missing(database, study[1:2]) == []
    (run,) = find_runs(database)
    assert (run["status"], problems_of(database, run)) == ("COMPLETED", [])
    assert not list((Path(os.environ["REPRO_RUNS"]) / "checkpoints").glob("*"))


@pytest.fixture
def unable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MongoClient]:
    """A client of a server that can be told to fail, and is the run database."""
    server = Server(tmp_path / "server")
    server.start("--enable-test-commands")
    monkeypatch.setenv("REPRO_MONGO_URI", f"mongodb://127.0.0.1:{server.port}/repro")
    with MongoClient("127.0.0.1", server.port, directConnection=True) as client:
        yield client
    server.kill()


def fail(client: MongoClient, command: str, times: int) -> None:
    """Let the server answer that its disk is full."""
    data = {"failCommands": [command], "errorCode": 14031}
    client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data})


def test_a_server_that_cannot_do_its_work_is_waited_for(unable: MongoClient, study: list[Cell]):
    with open_database() as database:
        fail(unable, "find", 3)
        assert run_missing(database, study[:1]) == []
        (run,) = find_runs(database)
        assert run["status"] == "COMPLETED"


def test_a_server_that_cannot_do_its_work_is_told_of_in_one_line(unable: MongoClient, capsys: pytest.CaptureFixture):
    fail(unable, "find", 1)
    assert at(db.main, "check") == 2
    assert "does not work (disk full)" in capsys.readouterr().err
    with open_database(writes=False):
        pass
    fail(unable, "distinct", 1)
    assert at(db.main, "check") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the run database at 127.0.0.1")
    assert said.count("\n") == 1
    assert "does not work (disk full)" in said


def test_a_cell_is_done_by_any_run_of_exactly_these_images_and_a_transfer_by_an_encoder_of_them(
    database: Database, tmp_path: Path, study: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    written(tmp_path / "data", own(96))

    def photograph(seed: int) -> None:
        for name, pixels in enumerate(np.random.default_rng(seed).integers(0, 256, (96, 8, 8, 3), dtype=np.uint8)):
            (tmp_path / "data" / "folder" / "img").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "data" / "folder" / "img" / f"{name}.png")
        resources._images.cache_clear()  # as in a new process

    transfer = study[2]
    origin = Cell(("byol", "folder", "smoke"), {**study[1].updates, "data.size": 28}, "train")
    carried = Cell(transfer.named, transfer.updates, transfer.task, origin)
    made = []
    for seed in (0, 1, 0, 1):
        photograph(seed)
        assert run_missing(database, [origin, carried]) == []
        made.append([run["command"] for run in find_runs(database)][sum(map(len, made)) :])
    assert made == [["train", "evaluate"], ["train", "evaluate"], [], []]
    judged = [run["config"]["evaluate"]["pretraining"] for run in find_runs(database) if run["command"] == "evaluate"]
    assert judged == [1, 3]


def test_a_cell_whose_checkpoint_another_process_holds_is_come_back_to(database: Database, study: list[Cell]):
    cell = study[1]
    holder = Checkpoint(resources.checkpoint_folder(cell.config))
    outcome: list[object] = []
    with holder.owned():
        working = threading.Thread(target=lambda: outcome.append(run_missing(database, [cell])))
        working.start()
        time.sleep(1.0)
        assert working.is_alive()
        assert find_runs(database) == []
    working.join(60)
    assert outcome == [[]]
    assert [run["status"] for run in find_runs(database)] == ["COMPLETED"]
