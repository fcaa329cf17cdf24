"""What is the overhead of a study, the gain of all cores, and the time to print the status of 5,000 runs?"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from pymongo.database import Database

from repro.bench import parallel_cells
from repro.bench.comparison import MOST, Comparison
from repro.bench.temporary_database import own_database
from repro.errors import InputError
from repro.execution import experiment
from repro.execution.resources import images_of
from repro.reproduce.engines import local
from repro.reproduce.study.cells import cells
from repro.reproduce.study.status import standings

REPEATS = 1
"""The smoke matrix takes minutes."""

RUNS, SCALE = 5000, "medmnist"
STATUS_S = 2.0
"""How long the answer may take [us]."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield what planning, looking up, reading back and skipping take beside the cells; what cells side by side gain;
    then the time of `status`.
    """
    beside, again, inside = [], [], []
    for _ in range(repeats):
        with own_database() as database:
            within, all_in_all = _run_smoke(database)
            beside.append(all_in_all - within)
            inside.append(within)
            again.append(_run_smoke(database)[1])
            real = database.runs.find_one({"status": "COMPLETED"}) or {}
    peer = "its cells"
    yield Comparison("run --scale smoke, beside its cells", beside, peer, inside, "s", MOST, 0.02)
    yield Comparison("run --scale smoke again, all is there", again, peer, inside, "s", MOST, 0.02)
    yield from parallel_cells.gains(repeats)
    yield from _status(real)


def _run_smoke(database: Database) -> tuple[float, float]:
    """Run what is missing of the smoke matrix; return the seconds inside its cells, and all in all."""
    within = 0.0
    execute = experiment.execute

    def timed(*arguments: Any) -> int:
        nonlocal within
        began = time.perf_counter()
        run_id = execute(*arguments)
        within += time.perf_counter() - began
        return run_id

    began = time.perf_counter()
    study = cells("smoke")
    try:
        images_of(study[0].config)
    except InputError:
        study = cells("smoke", stand_ins={"dermamnist": "phantom"})
    with mock.patch.object(experiment, "execute", timed):
        failures = local.run_missing(database, study)
    assert not failures, failures
    assert {standing.state for standing in standings(database, study)} == {"done"}
    return within, time.perf_counter() - began


def _status(real: dict[str, Any]) -> Iterator[Comparison]:
    """Yield the time of `status` over copies of a real run: three tries of each cell, and runs of other studies."""
    study = cells(SCALE)
    words = [sys.executable, "-m", "repro.reproduce", "status", "--scale", SCALE]
    with own_database() as database:
        tries = [(cell.key, state) for state in ("FAILED", "INTERRUPTED", "COMPLETED") for cell in study]
        others = [(f"train-{number}", "COMPLETED") for number in range(RUNS - len(tries))]
        now = datetime.now(UTC)
        database.runs.insert_many(
            {
                **real,
                "_id": number,
                "status": status,
                "heartbeat": now,
                "fail_trace": ["Traceback\n", "ValueError: a bug\n"] if status == "FAILED" else None,
                "info": {**real["info"], "cell": key},
            }
            for number, (key, status) in enumerate(others + tries, start=1)
        )
        questions, commands = [], []
        for _ in range(5):
            began = time.perf_counter()
            standings(database, study)
            questions.append(time.perf_counter() - began)
            began = time.perf_counter()
            subprocess.run(words, env=dict(os.environ), check=True, stdout=subprocess.DEVNULL)
            commands.append(time.perf_counter() - began)
    what = f"{len(study)} cells among {RUNS:,} runs"
    limits = [STATUS_S] * len(commands)
    yield Comparison(f"where {what} stand, the question", questions, "limit", limits, "s", MOST, 1.0)
    yield Comparison(f"where {what} stand, the command", commands, "limit", limits, "s", MOST, 1.0)
