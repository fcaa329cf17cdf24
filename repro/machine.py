"""What of this machine is free to us: cores and memory, also inside a container."""

import contextlib
import ctypes
import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def cores() -> int:
    """Return how many cores this process may use: what its affinity and a container's share of them allow."""
    import joblib  # only here: it takes a while

    return int(joblib.cpu_count())


def memory(root: Path = ROOT) -> int | None:
    """Return how many bytes of memory are free to this process; None where the system does not tell.

    The least of what the machine has and what each control group (version 1 or 2) around the process still allows.
    Files in memory that the system can drop count as free.

    Args:
        root: below which the system's `proc` and `sys` are.
    """
    free = [*_of_machine(root / "proc/meminfo"), *(left for _, left in limits(root))]
    return min(free, default=None)


def gpu() -> bool:
    """Return whether torch sees a CUDA device; it is not even imported where there is no driver."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return bool(torch.cuda.is_available())


def busy(root: Path = ROOT) -> float:
    """Return how many seconds all cores have worked since the machine began; NaN where the system does not tell."""
    try:
        first = (root / "proc/stat").read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return math.nan
    user, nice, system, _idle, _waiting, *interrupts = map(int, first[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def private(process: int, root: Path = ROOT) -> int:
    """Return the bytes of memory that a process and those it started share with no other; 0 where nobody knows."""
    place = root / f"proc/{process}"
    try:
        lines = (place / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    children = []
    for thread in place.glob("task/*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            children += [int(child) for child in thread.read_text().split()]
    own = sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("Private_", "Swap:")))
    return own + sum(private(child, root) for child in children)


def _of_machine(table: Path) -> Iterator[int]:
    if table.exists():
        found = dict(line.split(":", 1) for line in table.read_text().splitlines() if ":" in line)
        if "MemAvailable" in found:
            yield 1024 * int(found["MemAvailable"].split()[0])


def limits(root: Path = ROOT) -> Iterator[tuple[int, int]]:
    """Yield (limit, what is left of it) of every control group around this process, version 1 or 2, in bytes.

    Args:
        root: as for `memory`.
    """
    for place in _groups(root):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            try:
                allowed, taken = ((place / name).read_text().strip() for name in (limit, used))
            except OSError:
                continue
            if allowed.isdecimal() and int(allowed) < 2**60:  # else no limit
                yield int(allowed), max(0, int(allowed) - int(taken) + _droppable(place / "memory.stat"))


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of our memory group and of all above it; in a container its own is often the topmost."""
    told = root / "proc/self/cgroup"
    for line in told.read_text().splitlines() if told.exists() else ():
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            top = root / "sys/fs/cgroup" / kinds
            own = top / path.lstrip("/")
            yield from (place for place in (own, *own.parents) if place.is_relative_to(top))


def _droppable(table: Path) -> int:
    """Return the bytes of files in memory that the system would give up."""
    try:
        counts = dict(line.split() for line in table.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
