"""Interleaved timing: several ways of doing one thing are timed in turn, so that drift affects all alike."""

import time
from collections.abc import Callable, Mapping

import torch

WARM_UP = 2
"""Calls of each way that are not counted: they pay for kernels, caches and memory."""

Way = Callable[[], object]


def in_turn(ways: Mapping[str, Way], repeats: int, warm_up: int = WARM_UP) -> dict[str, list[float]]:
    """Return the seconds that each way took in each of `repeats` rounds; every other round goes backwards.

    Args:
        ways: name -> what to call. Where there is a GPU, its own events take the time.
        repeats: number of rounds.
        warm_up: rounds before them that do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-warm_up, repeats):
        for name in list(ways) if turn % 2 else reversed(list(ways)):
            taken = (_on_gpu if torch.cuda.is_available() else _here)(ways[name])
            if turn >= 0:
                seconds[name].append(taken)
    return seconds


def rates(units: float, seconds: list[float]) -> list[float]:
    """Return how many units a second, repeat by repeat."""
    return [units / each for each in seconds]


def _here(way: Way) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def _on_gpu(way: Way) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    way()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000
