"""A real run through the death of a real database server: everything in the end, or nothing called finished."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from repro.store import find_runs, open_database, problems_of
from repro.store.embedded import server_pid
from tests.conftest import ROOT
from tests.store.server import Server
from tests.test_front_doors import QUICK

LONG = ["with", "byol", "phantom", "smoke", *QUICK, "pretrain.checkpoint_every=50"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the test's own, which is where runs go."""
    made = Server(tmp_path / "server")
    made.start()
    monkeypatch.setenv("REPRO_MONGO_URI", f"mongodb://127.0.0.1:{made.port}/repro")
    yield made
    made.kill()


def started(epochs: int) -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "repro.run", *LONG, f"pretrain.epochs={epochs}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def until(true: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    while not true():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def journal() -> str:
    """All that runs here have written down."""
    return "".join(file.read_text() for file in (Path(os.environ["REPRO_RUNS"]) / "spool").glob("*/journal.jsonl"))


def training(server: Server) -> bool:
    """Whether epochs have arrived in the database."""
    with MongoClient("127.0.0.1", server.port, directConnection=True) as client:
        return client["repro"].metrics.count_documents({"name": "pretrain/loss"}) > 0


def ends_well(process: "subprocess.Popen[str]") -> str:
    said = process.communicate(timeout=400)[1]
    assert process.returncode == 0, said
    return said


def assert_whole(epochs: int) -> None:
    with open_database() as database:
        (run,) = find_runs(database)
        assert run["status"] == "COMPLETED"
        assert problems_of(database, run) == []
        (loss,) = database.metrics.find({"name": "pretrain/loss"})
        assert loss["steps"] == list(range(1, epochs + 1))


@pytest.mark.parametrize(
    ("seconds", "epochs"), [(4, 150), pytest.param(60, 1500, marks=pytest.mark.thorough)], ids=["4s", "60s"]
)
def test_a_database_killed_in_the_middle_of_a_run_and_brought_back_lacks_nothing(
    server: Server, seconds: float, epochs: int
):
    process = started(epochs)
    until(lambda: training(server), process)
    server.kill()
    time.sleep(seconds)
    assert process.poll() is None, "the run trains without its database"
    server.start()
    said = ends_well(process)
    assert "the run continues" in said
    assert "waiting records have been written to it" in said
    assert_whole(epochs)


@pytest.mark.slow
def test_a_database_killed_at_the_very_last_flush_and_brought_back_lacks_nothing(server: Server):
    process = started(100)
    until(lambda: training(server), process)
    server.freeze()
    until(lambda: '"COMPLETED"' in journal(), process)
    server.kill()
    time.sleep(2)
    server.start()
    ends_well(process)
    assert_whole(100)


@pytest.mark.thorough
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "frozen"])
def test_a_database_that_is_gone_at_the_very_last_flush_leaves_no_run_completed_with_holes(server: Server, kill: bool):
    process = started(100)
    until(lambda: training(server), process)
    server.freeze()
    until(lambda: '"COMPLETED"' in journal(), process)
    if kill:
        server.kill()
    said = process.communicate(timeout=400)[1]
    assert process.returncode == 1
    assert "Nothing is lost: it waits in" in said
    assert "Traceback" not in said
    server.kill()
    server.start()
    with MongoClient("127.0.0.1", server.port, directConnection=True) as client:
        assert [run["status"] for run in client["repro"].runs.find()] == ["RUNNING"]
    check = subprocess.run(
        [sys.executable, "-m", "repro.db", "check"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "the rest of its record has been written to the database" in check.stdout
    assert ": whole" in check.stdout
    assert_whole(100)


def test_an_embedded_database_that_dies_is_started_again_by_the_run():
    process = started(150)
    folder = Path(os.environ["REPRO_RUNS"]) / "db"
    until(lambda: '"pretrain/loss"' in journal(), process)
    first = server_pid(folder)
    os.kill(first, signal.SIGKILL)
    until(lambda: server_pid(folder) != first, process)
    ends_well(process)
    assert_whole(150)
