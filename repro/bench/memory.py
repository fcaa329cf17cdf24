"""The memory that tensors take."""

from collections.abc import Callable
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_megabytes(work: Callable[[], object], device: torch.device) -> float:
    """Return the most MB that tensors made while `work` runs have at a time; what was there before does not count."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    with _Living() as living:
        work()
    return living.peak / 1e6


class _Living(TorchDispatchMode):
    """Counts the bytes of every storage from the operation that makes it until nothing refers to it."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._storages: dict[StorageWeakRef, int] = {}
        self._known: set[StorageWeakRef] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_storage(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        self._known |= {each for each in given if each not in self._storages}
        made = function(*args, **(kwargs or {}))
        for x in tree_leaves(made):
            if isinstance(x, torch.Tensor) and (storage := _storage(x)) not in self._known:
                self._storages[storage] = x.untyped_storage().nbytes()
        self._storages = {storage: size for storage, size in self._storages.items() if not storage.expired()}
        self.peak = max(self.peak, sum(self._storages.values()))
        return made


def _storage(x: torch.Tensor) -> StorageWeakRef:
    return StorageWeakRef(x.untyped_storage())
