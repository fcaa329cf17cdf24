"""Is `prepare` as fast as a bare loop of Pillow on each core, small in memory, and quick when all is done?"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from repro.bench.comparison import LEAST, MOST, Comparison
from repro.configs.resolve import resolve
from repro.data.listing import Listing
from repro.data.prepare import prepared
from repro.data.sources import isic2019
from repro.errors import InputError
from repro.machine import cores

log = logging.getLogger("repro.bench")

REPEATS = 5

SIZE, PER_CORE = 128, "images/s per core"
PHOTOGRAPHS, COPIES, CAMERA = 300, 10, (1024, 768)
"""Photographs that are made, names that each gets, and their size in pixels: as ISIC 2019 publishes them [us]."""

SECOND_CALL_S, MEMORY_MB = 2.0, 1000.0
"""How long the command may take that finds all prepared; how much memory all its processes may take together [us]."""

PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
"""A program that runs another and prints the memory of the largest of its processes, in kB."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield the rate of a core at work and of the whole call, the time of a second call, and memory."""
    many = cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _rates(_photographs(folder), folder, repeats, many)
        try:
            listing = isic2019.listing(resolve([isic2019.NAME])["data"])
        except InputError as error:
            log.warning("not measured on %s: %s", isic2019.NAME, error)
            return
        yield from _rates(listing, folder, repeats, many)
        yield from _command(folder, repeats, many)


def _photographs(folder: Path) -> Listing:
    """Return coarse noise, in the size of photographs."""
    rng = np.random.default_rng(0)
    blank = np.zeros(PHOTOGRAPHS * COPIES, dtype=np.int64)
    names = tuple(f"{number}-{copy}.jpg" for number in range(PHOTOGRAPHS) for copy in range(COPIES))
    for number in range(PHOTOGRAPHS):
        coarse = Image.fromarray(rng.integers(0, 256, (32, 24, 3), dtype=np.uint8))
        coarse.resize(CAMERA, Image.Resampling.BICUBIC).save(folder / f"{number}-0.jpg", quality=90)
        for copy in range(1, COPIES):
            os.link(folder / f"{number}-0.jpg", folder / f"{number}-{copy}.jpg")
    return Listing("photographs", folder, names, blank, np.full(len(blank), "train"), ("noise",), channels=3)


def _rates(listing: Listing, folder: Path, repeats: int, many: int) -> Iterator[Comparison]:
    files = [file for file in listing.files if Path(file).exists()]
    shares = [files[core::many] for core in range(many)]
    _bare(files)  # so that every file is in memory, for us and the loop
    working, whole, bare = [], [], []
    with ProcessPoolExecutor(many) as pool:
        for _ in range(repeats):
            seconds, work = _ours(listing, folder / "prepared")
            working.append(len(files) / work)
            whole.append(len(files) / (many * seconds))
            bare.append(len(files) / sum(pool.map(_bare, shares)))
    what, peer = f"prepare {len(files):,} files of {listing.name} at {SIZE} px, ", "bare Pillow loop"
    yield Comparison(what + "core at work", working, peer, bare, PER_CORE, LEAST, 0.9)
    yield Comparison(what + "start to end", whole, peer, bare, PER_CORE, LEAST, 0.9)


def _ours(listing: Listing, folder: Path) -> tuple[float, float]:
    """Prepare a listing; return the seconds it took, and those that decoding processes were at work, start included."""
    began, before = time.perf_counter(), os.times()
    prepared(listing, SIZE, folder, allow_missing=True)
    seconds, after = time.perf_counter() - began, os.times()
    shutil.rmtree(folder)  # or the disk would still be at it while the loop runs
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, used


def _bare(files: list[str]) -> float:
    """Decode, crop and resize files with nothing but Pillow; return the seconds."""
    began = time.perf_counter()
    rows = np.empty((len(files), SIZE, SIZE, 3), dtype=np.uint8)
    for row, file in zip(rows, files, strict=True):
        with Image.open(file) as image:
            (width, height), side = image.size, min(image.size)
            left, upper = (width - side) / 2, (height - side) / 2
            square = (left, upper, left + side, upper + side)
            row[:] = np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC, square))
    return time.perf_counter() - began


def _command(folder: Path, repeats: int, many: int) -> Iterator[Comparison]:
    """Yield what the command takes the second time, and its memory the first."""
    words = ["prepare", isic2019.NAME, "data.allow_missing=True", "--size", str(SIZE)]
    environment = {**os.environ, "REPRO_RUNS": str(folder / "runs")}

    # Between us and the command stands a small process: the system counts the memory of who starts one as its own.
    words = [sys.executable, "-c", PEAK, sys.executable, "-m", "repro.data", *words]

    def call() -> tuple[float, float]:
        """Return seconds, and the MB of the largest process."""
        began = time.perf_counter()
        said = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        return time.perf_counter() - began, int(said.split()[-1]) / 1000

    megabytes = (1 + many) * call()[1]  # the other processes are no larger than the largest
    seconds = [call()[0] for _ in range(repeats)]
    yield Comparison("the same command again", seconds, "limit", [SECOND_CALL_S] * repeats, "s", MOST, 1.0)
    yield Comparison("memory of prepare, all processes", [megabytes], "limit", [MEMORY_MB], "MB", MOST, 1.0)
