"""Pretraining by real processes on this machine, and what is to be the same however many there are."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import multiprocessing

from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.pretrain import augment, processes
from repro.pretrain.byol import Partners
from repro.pretrain.checkpoint import Checkpoint, Followed
from repro.pretrain.diagnostics import PartnerStatistics
from repro.pretrain.loop import pretrain
from repro.pretrain.objectives import Objective
from repro.pretrain.selectors import Batch
from tests.pretrain.test_loop import SMALL

CPU = torch.device("cpu")


def images() -> ImageSet:
    """64 noisy training images of two classes."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1], 48))
    pixels = rng.integers(0, 256, (96, 28, 28, 3), dtype=np.uint8)
    split = np.repeat(["train", "val", "test"], [64, 16, 16])
    return ImageSet("tiny", pixels, labels, split, ("up", "down"), groups=np.arange(96) // 2)


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Networks, views and losses in float64."""
    rough, parameters = augment.normalized, Objective.trained_parameters
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augment, "normalized", lambda x: rough(x).double())
        patch.setattr(Objective, "trained_parameters", lambda self: parameters(self.double()))
        yield


def trained(folder: Path, method: str, changes: dict[str, Any], precise: bool) -> tuple[dict, dict[str, torch.Tensor]]:
    """Pretrain; return (reported metrics, weights with statistics and every image's partners)."""
    chosen: list[torch.Tensor] = []
    usual = PartnerStatistics.add

    def kept(self: PartnerStatistics, batch: Batch, step: int) -> Partners | None:
        partners = usual(self, batch, step)
        if partners is not None:
            chosen.append(partners.index)
        return partners

    reported: dict[str, float] = {}
    kind = Checkpoint if processes.is_first() else Followed
    with pytest.MonkeyPatch.context() as patch, in_float64() if precise else contextlib.nullcontext():
        patch.setattr(PartnerStatistics, "add", kept)
        result = pretrain(
            images(),
            resolve([method], {**SMALL, "pretrain.epochs": 2, "augment.grey": 0.2, **changes}),
            CPU,
            kind(folder),
            lambda name, value, step: reported.__setitem__(f"{name} {step}", value),
        )
    state = {f"weights/{name}": tensor.clone() for name, tensor in result.encoder.state_dict().items()}
    for name, rows in result.history.batches.items():
        state[f"batches/{name}"] = rows.clone()
    state |= {f"choices/{name}": images.clone() for name, images in result.history.choices.items()}
    if chosen:
        state["partners"] = torch.stack(chosen)
    return reported, state


def started(number: int, work: Callable[..., None], *arguments: Any) -> Any:
    """Start `number` processes that call `work(*arguments)` as torchrun would; return what joins them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return multiprocessing.spawn(_one, (number, port, work, arguments), nprocs=number, join=False)


def _one(rank: int, number: int, port: int, work: Callable[..., None], arguments: tuple) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(number),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    work(*arguments)


def write(folder: Path, name: str, reported: dict[str, float], state: dict[str, torch.Tensor]) -> None:
    """Leave results of this process for the one that started it."""
    rank = os.environ["RANK"]
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / f"{name}-{rank}.safetensors")
    (folder / f"{name}-{rank}.json").write_text(json.dumps(reported))
