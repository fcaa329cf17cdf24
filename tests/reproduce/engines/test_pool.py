"""Pieces of work in processes of their own: real ones, that are killed, stopped and left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.reproduce.engines import pool as pools
from repro.reproduce.engines.pool import Ended, Here, Pool, fits
from repro.reproduce.engines.progress_board import Board
from tests.conftest import ROOT
from tests.reproduce.pieces import answer, environment, meet, note_and_wait


def drained(pool: Pool | Here) -> dict[str, Ended]:
    found: dict[str, Ended] = {}
    while pool.running:
        found |= {end.key: end for end in pool.ended(60)}
    return found


def until(file: Path) -> int:
    """Wait for the note of a process; return its id."""
    for _ in range(1200):
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError(f"no {file}")


def gone(process: int) -> bool:
    for _ in range(200):
        state = Path(f"/proc/{process}/stat")
        try:
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these processes have in common is soon imported."""
    monkeypatch.setattr(pools, "PRELOADED", ("tests.reproduce.pieces",))


def pool(jobs: int) -> Pool:
    return Pool(jobs, Board("pieces", jobs, shown=False))


def test_pieces_run_at_the_same_time_and_each_gives_its_own_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pool(3) as workers:
        for name, other in (("a", "b"), ("b", "a")):
            assert workers.room()
            workers.start(name, name, meet, str(tmp_path), name, other)
        workers.start("c", "c", answer, 21)
        assert not workers.room()
        found = drained(workers)
        monkeypatch.setenv("REPRO_RUNS", "elsewhere")  # the processes are forked from one that began before
        workers.start("d", "d", environment, "REPRO_RUNS")
        found |= drained(workers)
    assert {key: end.outcome for key, end in found.items()} == {"a": "met", "b": "met", "c": 42, "d": "elsewhere"}


def test_here_a_piece_is_done_when_it_has_begun():
    with Here() as workers:
        workers.start("a", "a", answer, 4)
        assert not workers.room()
        assert drained(workers) == {"a": Ended("a", 8)}
        assert workers.room()


def test_a_process_that_is_killed_takes_no_other_with_it(tmp_path: Path):
    with pool(2) as workers:
        workers.start("killed", "killed", note_and_wait, str(tmp_path), "killed")
        process = until(tmp_path / "killed")
        workers.start("other", "other", meet, str(tmp_path), "here", "there")
        os.kill(process, signal.SIGKILL)
        (end,) = workers.ended(60)
        assert end.key == "killed"
        assert end.death.startswith("signal SIGKILL")
        (tmp_path / "there").touch()
        assert drained(workers) == {"other": Ended("other", "met")}


def test_a_piece_that_fails_is_told_from_one_that_is_done(capfd: pytest.CaptureFixture):
    with pool(1) as workers:
        workers.start("x", "x", answer, None)
        assert drained(workers) == {"x": Ended("x", None, "exit code 1")}


def test_pieces_that_are_stopped_save_their_work_once_and_leave(tmp_path: Path):
    with pool(2) as workers:
        for name in ("a", "b"):
            workers.start(name, name, note_and_wait, str(tmp_path), name)
        processes = [until(tmp_path / name) for name in ("a", "b")]
        os.kill(processes[0], signal.SIGINT)  # as a terminal does to all of us; only the first of us heeds it
        os.kill(processes[1], signal.SIGTERM)  # as a container's stop does
        time.sleep(0.2)
    assert all(map(gone, processes))
    assert (tmp_path / "a.saved").exists()
    assert (tmp_path / "b.saved").exists()


def test_no_process_outlives_the_one_that_began_it(tmp_path: Path):
    script = (
        "from repro.reproduce.engines import pool, progress_board\n"
        "from tests.reproduce.pieces import note_and_wait\n"
        "pool.PRELOADED = ['tests.reproduce.pieces']\n"
        "with pool.Pool(2, progress_board.Board('pieces', 2)) as workers:\n"
        f"    for name in 'ab': workers.start(name, name, note_and_wait, {str(tmp_path)!r}, name)\n"
        "    workers.ended(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT)
    workers = [until(tmp_path / name) for name in "ab"]
    process.kill()
    process.wait()
    assert all(map(gone, workers))
    assert not (tmp_path / "a.saved").exists()


@pytest.mark.parametrize(
    ("free", "used", "expected"),
    [
        (None, [0, 0], True),
        (100, [], True),
        (99, [], False),
        (200, [100], True),
        (150, [60], True),  # 40 are still owed to the one at work
        (139, [60], False),
        (100, [130], True),
    ],
)
def test_memory_that_running_pieces_have_not_taken_yet_is_not_free(free: int | None, used: list[int], expected: bool):
    assert fits(free, 100, used) is expected
