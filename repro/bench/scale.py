"""How does the cost grow with the batch, the images, the data set and the processes?

Each row is an exponent: the slope of log cost over log size, fitted over sizes from the first to the last it names.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import multiprocessing

from repro.bench.comparison import LEAST, MOST, Comparison
from repro.bench.interleaving import Way, in_turn
from repro.bench.workload import DEVICE, ON_GPU, Workload
from repro.machine import cores
from repro.pretrain import processes

REPEATS = 5

BATCHES, SIZES, STEPS = (64, 128, 256, 512), (28, 40, 56, 80), (4, 16, 64)
"""Images a step, pixels along an image's side, batches in an epoch."""

METHOD, SIZE = "byol_tracin", 28


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield the exponents of an epoch's time, and of its rate over processes."""
    yield _exponent("step over batch size", BATCHES, lambda n: Workload(METHOD, SIZE, batch=n, steps=4).epoch, repeats)
    pixels = {size * size: size for size in SIZES}
    yield _exponent("step over pixels", list(pixels), lambda n: Workload(METHOD, pixels[n], steps=4).epoch, repeats)
    yield _exponent("epoch over batches in it", STEPS, lambda n: Workload(METHOD, SIZE, steps=n).epoch, repeats)
    available = torch.cuda.device_count() if ON_GPU else cores()
    if available > 1:
        yield _over_processes([n for n in (1, 2, 4, 8) if n <= available], repeats)


def _exponent(what: str, sizes: Sequence[int], way: Callable[[int], Way], repeats: int) -> Comparison:
    seconds = list(in_turn({str(size): way(size) for size in sizes}, repeats, warm_up=1).values())
    named = f"{what}, {sizes[0]:,} to {sizes[-1]:,}: exponent"
    return Comparison(named, _slopes(sizes, seconds), "in proportion", [1.0] * repeats, "", MOST)


def _slopes(sizes: Sequence[int], seconds: Sequence[Sequence[float]]) -> list[float]:
    """Return the exponent in each repeat; `seconds` are by size, then by repeat."""
    return [float(np.polyfit(np.log(sizes), np.log(turn), 1)[0]) for turn in zip(*seconds, strict=True)]


def _over_processes(numbers: Sequence[int], repeats: int) -> Comparison:
    """Return how the rate grows where every batch is shared: on a CPU each process has one core."""
    found = multiprocessing.get_context("spawn").SimpleQueue()
    seconds = []
    for number in numbers:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        multiprocessing.spawn(_share, (number, port, repeats, found), nprocs=number)
        seconds.append(found.get())
    what = f"images/s over processes, {numbers[0]} to {numbers[-1]}: exponent"
    slopes = [-slope for slope in _slopes(numbers, seconds)]
    return Comparison(what, slopes, "perfect sharing", [1.0] * repeats, "", LEAST)


def _share(rank: int, number: int, port: int, repeats: int, found: Any) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    processes.on_this_device(DEVICE)
    with processes.together(DEVICE):
        (seconds,) = in_turn({"epoch": Workload(METHOD, SIZE, steps=4).epoch}, repeats, warm_up=1).values()
    if rank == 0:
        found.put(seconds)
