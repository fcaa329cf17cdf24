"""How many cells run side by side on this machine."""

from collections.abc import Sequence

import torch

from repro import machine
from repro.reproduce.plan import Cell


def jobs_for(cells: Sequence[Cell]) -> int:
    """Return how many of the cells keep the cores that are free to us busy; on a GPU one, which has it for itself."""
    threads = max((cell.config["threads"] for cell in cells), default=1)
    if torch.cuda.is_available() and any(cell.config["device"] != "cpu" for cell in cells):
        return 1
    return max(1, min(len(cells), machine.cores() // threads))
