"""How many cells share one GPU: as many as keep it busy and fit into its memory, as the first one shows."""

import contextlib
import os
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SAMPLES = 6
"""Looks at the GPU while the first cell works there, of which the latter half counts [us]: at first it warms up."""

MARGIN = 1.2
"""What a cell may need beyond what the first one was seen to take: fine-tuning comes later [us]."""

MOST = 8
"""Cells on one GPU at most [us]."""

ASK = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits"]


@dataclass(frozen=True)
class Look:
    """One look at a GPU.

    Args:
        busy: for what part of the time a kernel ran, in [0, 1].
        used, total: memory in MB.
    """

    busy: float
    used: float
    total: float


def cells_at_once(before: Look, during: list[Look], cores: int, shared: bool) -> int:
    """Return how many cells to run on a GPU at once.

    A small network's step is bound by the launches of its kernels: while one process prepares the next, the GPU waits.
    Processes that take turns fill these gaps, and no more than these. Where they may compute at the same time (MPS), a
    kernel that does not fill the GPU leaves room for another's, so twice as many pay.

    Args:
        before: the GPU before the first cell.
        during: while it works alone.
        cores: free to us; each cell launches its kernels from one.
        shared: whether MPS runs.
    """
    busy = statistics.mean(look.busy for look in during)
    if busy <= 0:
        return 1
    need = MARGIN * (max(look.used for look in during) - before.used)
    fitting = (before.total - before.used) / max(need, 1.0)
    gaps = (2 if shared else 1) / busy
    return max(1, min(int(fitting), round(gaps), cores, MOST))


class Limit:
    """How many cells may run at once: one until enough has been seen of it, then what `cells_at_once` says.

    Args:
        cores: free to us.
        look: looks at the GPU; None where that is not possible, and then one cell has it for itself.
    """

    def __init__(self, cores: int, look: "Callable[[], Look | None] | None" = None) -> None:
        self._cores, self._look = cores, look or looked
        self._before = self._look()
        self._during: list[Look] = []
        self._found = 1

    def __call__(self) -> int:
        """Return the limit now; called again and again while cells run."""
        if self._before is not None and len(self._during) < SAMPLES:
            now = self._look()
            if now is not None and now.busy > 0:
                self._during.append(now)
            if len(self._during) == SAMPLES:
                self._found = cells_at_once(self._before, self._during[SAMPLES // 2 :], self._cores, mps())
        return self._found


def looked() -> Look | None:
    """Look at the first GPU that is ours; None where its driver does not tell."""
    ours = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        answer = subprocess.run([*ASK, f"--id={ours}"], capture_output=True, text=True, timeout=10, check=True).stdout
        busy, used, total = (float(word) for word in answer.split("\n")[0].split(","))
        return Look(busy / 100, used, total)
    return None


def mps() -> bool:
    """Whether NVIDIA's Multi-Process Service runs here, so that processes compute on a GPU at the same time."""
    return Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or "/tmp/nvidia-mps", "control").exists()  # noqa: S108
