"""A study killed again and again ends in the same tables, with no point lost and none twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from figures import __main__ as figures
from repro.reproduce.engines.local import DEATHS
from repro.store import find_runs, metric_points, open_database, problems_of
from tests.conftest import REAL_DATA, ROOT
from tests.reproduce.forked import forked_by
from tests.test_front_doors import QUICK

SMOKE = ["--scale", "smoke", "--fallback", "phantom"]
SMALL = ["--methods", "random_init", "byol_tracin", "--seeds", "0", "1", "--set", *QUICK, "pretrain.epochs=25"]


def started(folder: Path, study: list[str]) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "repro.reproduce", "run", *SMOKE, "--jobs", "2", *study]
    return subprocess.Popen(words, cwd=ROOT, env=environment(folder), stderr=(folder / "log").open("ab"))


def environment(folder: Path) -> dict[str, str]:
    own = {"REPRO_RUNS": str(folder / "runs"), "REPRO_RESULTS": str(folder / "results"), "REPRO_DATA": str(REAL_DATA)}
    return {**{k: v for k, v in os.environ.items() if k != "REPRO_MONGO_URI"}, **own}


def drawn(folder: Path) -> dict[str, bytes]:
    """Draw tables and figures; return the bytes of each. The lists of run ids beside them are others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_RUNS", str(folder / "runs"))
        patch.delenv("REPRO_MONGO_URI", raising=False)
        figures.main(["semi_supervised", "partner_quality", "--out", str(folder / "results")])
    files = sorted(
        file for file in (folder / "results").rglob("*.*") if file.suffix in (".md", ".tex", ".csv", ".png", ".pdf")
    )
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def until_at_work(folder: Path, seen: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a cell has begun since the log had so many characters: before, nothing could be lost."""
    while " split), seed " not in (folder / "log").read_text()[seen:] and process.poll() is None:
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "cells", "kills", "hit"),
    [
        pytest.param(SMALL, 4, 3, 1, id="small"),
        pytest.param([], 14, 20, 4, id="smoke", marks=pytest.mark.thorough),
    ],
)
def test_a_study_killed_again_and_again_gives_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: list[str], cells: int, kills: int, hit: int
):
    """Two cells at once; killed are the study, with or without its database, or one of its processes.

    `hit` runs at least are to have been killed in their middle, or the kills missed the work.
    """
    (calm := tmp_path / "calm").mkdir()
    (killed := tmp_path / "killed").mkdir()
    process = started(calm, study)
    until_at_work(calm, 0, process)
    began = time.monotonic()
    assert process.wait(1800) == 0
    one_cell = (time.monotonic() - began) / cells
    dice, done, seen = random.Random(0), 0, 0
    process = started(killed, study)
    while True:
        try:
            until_at_work(killed, seen, process)
            code = process.wait(dice.random() * one_cell if done < kills else 1800)
        except subprocess.TimeoutExpired:
            done, seen = done + 1, len((killed / "log").read_text())
            if dice.random() < 0.4 and (workers := forked_by(process.pid)):
                os.kill(dice.choice(workers), signal.SIGKILL)
                continue  # the study goes on
            process.kill()
            process.wait()
            if dice.random() < 0.3 and (note := killed / "runs" / "db" / "server.pid").exists():
                os.kill(int(note.read_text()), signal.SIGKILL)  # the database's machine, too
                time.sleep(0.2)
        else:
            said = (killed / "log").read_text()[seen:]
            if code == 0:
                break
            assert f"its process ended {DEATHS} times" in said, said[-2000:]  # the dice hit one cell too often
            seen = len((killed / "log").read_text())
        process = started(killed, study)
    assert done == kills
    assert (tables := drawn(calm))
    assert drawn(killed) == tables
    monkeypatch.setenv("REPRO_RUNS", str(killed / "runs"))
    monkeypatch.delenv("REPRO_MONGO_URI", raising=False)
    with open_database() as database:
        whole = [run for run in find_runs(database) if run["status"] == "COMPLETED"]
        assert len(whole) == len({run["info"]["cell"] for run in whole}) == cells
        assert [problems_of(database, run) for run in whole] == [[]] * cells
        points = metric_points(database, [run["_id"] for run in whole])
        assert not points.duplicated(["run_id", "name", "step"]).any()
        assert {run["status"] for run in find_runs(database)} == {"COMPLETED", "INTERRUPTED"}
        assert len(list(find_runs(database, status="INTERRUPTED"))) >= hit
