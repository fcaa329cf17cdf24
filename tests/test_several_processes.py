"""`torchrun -m repro.run`: two processes make one run, on record once, also when one of them is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymongo.database import Database

from repro import run
from repro.store import find_runs, metric_points, problems_of
from tests.conftest import ROOT
from tests.test_front_doors import QUICK, at

WORDS = ["with", "byol_tracin", "phantom", "smoke", *QUICK, "evaluate.protocols=['knn']"]
TORCHRUN = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def torchrun(*words: str) -> subprocess.Popen:
    """Start two processes of one run."""
    line, environment = [*TORCHRUN, "-m", "repro.run", *words], {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen) -> tuple[int, str]:
    _, told = process.communicate(timeout=240)
    return process.returncode, told


def values(database: Database, run_id: int) -> dict[tuple[str, float], float]:
    points = metric_points(database, [run_id])
    return {(name, step): v for name, step, v in zip(points["name"], points["step"], points["value"], strict=True)}


def process_of_rank(rank: int, under: int) -> int:
    """The id of the process that torchrun (`under`) started as this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == under and f"\0RANK={rank}\0" in (folder / "environ").read_text():
                return int(folder.name)
        except OSError:  # it has ended
            continue
    raise AssertionError(f"no process of rank {rank}")


@pytest.mark.slow
def test_two_processes_make_the_run_that_one_makes(database: Database):
    assert at(run.main, *WORDS) == 0
    code, told = ended(torchrun(*WORDS))
    assert code == 0, told
    assert told.count("is stored whole") == 1
    by_processes = {r["info"]["timings"]["processes"]: r for r in find_runs(database)}
    assert by_processes.keys() == {1, 2}
    assert [problems_of(database, r) for r in by_processes.values()] == [[], []]
    one_run, two_run = by_processes[1], by_processes[2]
    assert one_run["info"]["cell"] == two_run["info"]["cell"]
    # Sums are in another order, and in float32 a ReLU whose sign hangs on the last bit moves all that follows it, down
    # to some votes of k-NN. In float64 the two are the same to 1e-9: tests/pretrain/test_processes.py.
    assert values(database, two_run["_id"]) == pytest.approx(values(database, one_run["_id"]), rel=0.1, abs=0.15)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds a rank's process in /proc")
def test_after_a_process_is_killed_the_same_command_completes(database: Database, tmp_path: Path):
    words = ["pretrain", *WORDS, "pretrain.epochs=60", "pretrain.checkpoint_every=1"]
    process = torchrun(*words)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("runs/checkpoints/*/latest.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process_of_rank(1, process.pid), signal.SIGKILL)
    began = time.monotonic()
    code, told = ended(process)
    assert code != 0
    assert time.monotonic() - began < 60
    (broken,) = find_runs(database)
    assert broken["status"] in ("FAILED", "INTERRUPTED"), told
    assert list(tmp_path.glob("runs/checkpoints/*/latest.safetensors"))

    code, told = ended(torchrun(*words))
    assert code == 0, told
    assert "resuming from the checkpoint after epoch" in told
    _, whole = find_runs(database)
    assert whole["status"] == "COMPLETED"
    assert problems_of(database, whole) == []
    assert whole["info"]["timings"]["interruptions"] == 1
    assert not list(tmp_path.glob("runs/checkpoints/*"))


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused_by_every_process(database: Database):
    code, told = ended(torchrun(*WORDS, "pretrain.batch_size=33"))
    assert code != 0
    assert "error: pretrain.batch_size=33 is the whole batch, and 2 processes cannot share it evenly" in told
    assert "exitcode  : 2" in told
    assert find_runs(database) == []
