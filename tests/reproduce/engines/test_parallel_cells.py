"""Cells side by side, by real processes: the same bits as one after the other, past kills, stops and other studies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from pymongo.database import Database

from repro.reproduce.engines import job_count, local
from repro.reproduce.engines.local import run_missing
from repro.reproduce.study.cells import Cell
from repro.reproduce.study.status import standings
from repro.reproduce.verification.verify import differences_between, verify
from repro.store import find_runs, problems_of, runs_folder
from tests.conftest import ROOT
from tests.reproduce.forked import forked_by
from tests.test_front_doors import QUICK

STUDY = ["run", "--scale", "smoke", "--fallback", "phantom", "--methods", "byol", "byol_random", "--seeds", "0", "1"]

LONG = ["pretrain.epochs=100", "pretrain.checkpoint_every=1"]


def of_cell(database: Database, cell: Cell) -> dict:
    """The whole run of a cell."""
    (run,) = [run for run in find_runs(database, status="COMPLETED") if run["info"]["cell"] == cell.key]
    assert problems_of(database, run) == []
    return run


def longer(cell: Cell, epochs: int, **more: object) -> Cell:
    return Cell(cell.named, {**cell.updates, "pretrain.epochs": epochs, **more}, cell.task)


def test_cells_side_by_side_are_bit_for_bit_those_one_after_the_other_and_come_after_what_they_need(
    database: Database, study: list[Cell]
):
    assert run_missing(database, study, jobs=2) == []
    side_by_side = [of_cell(database, cell) for cell in study]
    assert [run["info"]["provenance"]["threads"] for run in side_by_side] == [1, 1, 1]
    assert run_missing(database, study, jobs=2) == []
    assert len(find_runs(database)) == 3
    database.runs.update_many({}, {"$set": {"info.cell": "other"}})
    assert run_missing(database, study, jobs=1) == []
    for then, cell in zip(side_by_side, study, strict=True):
        now = of_cell(database, cell)
        assert differences_between(database, then, database, now) == []


def test_what_builds_on_a_failed_cell_is_listed_with_it_and_the_rest_runs(database: Database, study: list[Cell]):
    random_init, byol, transfer = study
    broken = Cell(byol.named, {**byol.updates, "pretrain.warmup_epochs": 99}, byol.task)
    carried = Cell(transfer.named, transfer.updates, transfer.task, broken)
    failures = run_missing(database, [broken, carried, random_init], jobs=2)
    reasons = {failure.cell.key: failure.reason for failure in failures}
    assert reasons.keys() == {broken.key, carried.key}
    assert "is more than pretrain.epochs" in reasons[broken.key]
    assert "has no whole run" in reasons[carried.key]
    assert [s.state for s in standings(database, [broken, carried, random_init])] == ["failed", "missing", "done"]


def test_a_cell_whose_process_is_killed_is_begun_again_and_no_other_is(database: Database, study: list[Cell]):
    cells = [longer(study[1], 100, seed=seed, **{"pretrain.checkpoint_every": 1}) for seed in range(2)]
    failures: list[object] = []
    working = threading.Thread(target=lambda: failures.append(run_missing(database, cells, jobs=2)))
    working.start()
    while len(list(runs_folder().glob("checkpoints/*/latest.safetensors"))) < 2:
        assert working.is_alive()
        time.sleep(0.05)
    os.kill(forked_by(os.getpid())[0], signal.SIGKILL)
    working.join(1500)
    assert failures == [[]]
    assert sorted(run["status"] for run in find_runs(database)) == ["COMPLETED", "COMPLETED", "INTERRUPTED"]
    for cell in cells:
        of_cell(database, cell)


def test_a_cell_whose_process_dies_again_and_again_fails_with_the_reason(
    database: Database, study: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local, "_attempt_apart", dies)
    (failure,) = run_missing(database, study[:1], jobs=2)
    assert failure.reason == "its process ended 3 times, at last with signal SIGKILL, perhaps for lack of memory"


def dies(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def started(folder: Path, settings: Sequence[str]) -> "subprocess.Popen[str]":
    words = [sys.executable, "-W", "ignore", "-m", "repro.reproduce", *STUDY, "--jobs", "2", "--set", *QUICK, *settings]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def all_left(group: int) -> bool:
    """Whether nothing of a process group is there soon."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_ctrl_c_stops_all_with_one_line_and_two_studies_then_share_the_cells(database: Database, tmp_path: Path):
    """To all of the terminal's processes; then the study again, twice at once."""
    process = started(tmp_path, ["pretrain.epochs=150"])
    while not list(runs_folder().glob("checkpoints/*/latest.safetensors")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    group = os.getpgid(process.pid)
    os.killpg(group, signal.SIGINT)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 130
    assert [line for line in said.splitlines() if line.startswith("stopped")] == ["stopped"]
    assert "Traceback" not in said
    assert all_left(group)
    assert set(database.runs.distinct("status")) <= {"INTERRUPTED", "COMPLETED"}
    both = [started(tmp_path, ["pretrain.epochs=150"]) for _ in range(2)]
    said = "".join(process.communicate(timeout=600)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    whole = find_runs(database, status="COMPLETED")
    assert len(whole) == len({run["info"]["cell"] for run in whole}) == 4
    assert [problems_of(database, run) for run in whole] == [[]] * 4
    assert set(database.runs.distinct("status")) == {"INTERRUPTED", "COMPLETED"}


@pytest.mark.slow
def test_runs_are_verified_side_by_side(database: Database, study: list[Cell]):
    assert run_missing(database, study[:2]) == []
    verdicts = verify(database, [2, 1], jobs=2)
    assert [(verdict.run, verdict.verdict) for verdict in verdicts] == [(2, "identical"), (1, "identical")]


@pytest.mark.parametrize(
    ("cores", "gpu", "settings", "expected"),
    [
        (2, False, {}, 2),
        (64, False, {}, 3),
        (1, False, {}, 1),
        (8, False, {"threads": 4}, 2),
        (2, False, {"threads": 4}, 1),
        (8, True, {"device": "cpu"}, 3),
    ],
)
def test_as_many_cells_run_as_cores_are_free(
    monkeypatch: pytest.MonkeyPatch, study: list[Cell], cores: int, gpu: bool, settings: dict, expected: int
):
    monkeypatch.setattr(job_count.machine, "cores", lambda: cores)
    monkeypatch.setattr(job_count.machine, "gpu", lambda: gpu)
    cells = [Cell(cell.named, {**cell.updates, **settings}, cell.task) for cell in study]
    assert job_count.jobs_for(cells) == expected
