"""Cells of a study side by side: on all cores, on fewer cores than cells, and beside other work."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from repro import machine
from repro.bench.comparison import LEAST, Comparison
from repro.bench.temporary_database import own_database

METHODS, SEEDS = ("random_init", "supervised", "byol", "byol_tracin"), (0, 1)
CELLS = len(METHODS) * len(SEEDS)

THREADS = 2
"""Of a cell, where cells run one after the other."""

ASKED, CROWDED, BESIDE = 1.5, 0.9, 0.6


def gains(repeats: int) -> Iterator[Comparison]:
    """Yield how many cells a minute a study runs, from its command to its last word, in one way beside another."""
    cores = machine.cores()
    ways = {
        "in turn": (1, THREADS, False),
        "all": (cores, 1, False),
        "twice": (2 * cores, 1, False),
        "four times": (4 * cores, 1, False),
        "busy": (cores, 1, True),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name in list(ways) if turn % 2 else reversed(list(ways)):
            rates[name].append(CELLS / _minutes(*ways[name]))
    what, unit = f"{CELLS} smoke cells on {cores} cores", "cells/min"
    peer = f"in turn, {THREADS} threads each"
    yield Comparison(f"{what}, {cores} at once", rates["all"], peer, rates["in turn"], unit, LEAST, ASKED)
    for name, many in (("twice", 2 * cores), ("four times", 4 * cores)):
        yield Comparison(f"{what}, {many} at once", rates[name], f"{cores} at once", rates["all"], unit, LEAST, CROWDED)
    yield Comparison(f"{what}, beside a busy process", rates["busy"], "alone", rates["all"], unit, LEAST, BESIDE)


def _minutes(jobs: int, threads: int, busy: bool) -> float:
    words = ["run", "--scale", "smoke", "--fallback", "phantom", "--methods", *METHODS, "--seeds", *map(str, SEEDS)]
    command = [sys.executable, "-m", "repro.reproduce", *words, "--jobs", str(jobs), "--set", f"threads={threads}"]
    with own_database(), _other_work() if busy else contextlib.nullcontext():
        began = time.perf_counter()
        subprocess.run(command, env=dict(os.environ), check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - began) / 60


@contextlib.contextmanager
def _other_work() -> Iterator[None]:
    """Keep a core busy meanwhile."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
