"""How many threads a run computes with: as many as its config says, on any machine, for bits depend on it."""

import torch
from threadpoolctl import threadpool_limits


def use_threads(count: int) -> None:
    """Let torch, and every linear algebra library that is loaded, compute with so many threads from now on."""
    torch.set_num_threads(count)
    threadpool_limits(count)
