"""Checkpoints of pretraining: tensors only (safetensors), replaced atomically, one at a time."""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from repro.errors import BusyError, InputError
from repro.locks import lock


@dataclass
class History:
    """What a pretraining has logged so far; part of its checkpoint, so that a resumed run's record is whole.

    Args:
        metrics: name -> one value per epoch.
        batches: name -> float32 `[epochs, batches]`.
        probes: name -> one value per look at the networks (see `loop.looks`).
        seconds: time spent training, over all the processes that took part.
        processor_seconds: what of their processors' time that took; other work on the machine stretches it less than
            `seconds`, but does (caches, memory, clock rate). NaN where a checkpoint of an older version did not tell.
        other_seconds: what other work took of the machine's cores meanwhile, in seconds of a core; NaN if unknown.
        interruptions: how often it was resumed.
        choices: who was whose partner in the very last batch (see `Choices.read`); empty until then.
    """

    metrics: dict[str, list[float]] = field(default_factory=dict)
    batches: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    processor_seconds: float = 0.0
    other_seconds: float = 0.0
    interruptions: int = 0
    choices: dict[str, torch.Tensor] = field(default_factory=dict)
    probes: dict[str, list[float]] = field(default_factory=dict)

    def add(
        self,
        metrics: dict[str, float],
        batches: dict[str, torch.Tensor],
        seconds: float,
        processor_seconds: float,
        other_seconds: float = math.nan,
    ) -> None:
        """Add an epoch: its metrics, its batch-by-batch statistics `[batches]`, and how long it took."""
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append(value)
        for name, row in batches.items():
            self.batches[name] = torch.cat([self.batches[name], row[None]]) if name in self.batches else row[None]
        self.seconds += seconds
        self.processor_seconds += processor_seconds
        self.other_seconds += other_seconds


class Checkpoint:
    """The checkpoint of one pretraining, in a folder of its own that one process at a time may use."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "latest.safetensors"

    @contextlib.contextmanager
    def owned(self) -> Iterator["Checkpoint"]:
        """Keep other processes from training the same thing meanwhile.

        Raises:
            BusyError: one does so now.
            InputError: the storage has no locks.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "owner.lock"
        with path.open("a") as owner:
            try:
                lock(owner, path, wait=False)
            except BlockingIOError:
                raise BusyError(
                    f"another process is training the same config now ({self._folder}); wait for it or stop it"
                ) from None
            try:
                yield self
            finally:
                if not self.exists:
                    self.delete()  # nothing was saved

    @property
    def exists(self) -> bool:
        """Whether there is something to continue from."""
        return self._file.exists()

    def save(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, history: History, images: str
    ) -> None:
        """Write the state after `epoch` epochs; until it is whole on the disk the previous one stays.

        `images` is the hash of what it was trained on.
        """
        tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
        for number, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": value for name, value in state.items() if value is not None}
        tensors |= {f"metrics/{name}": torch.tensor(v, dtype=torch.float64) for name, v in history.metrics.items()}
        tensors |= {f"probes/{name}": torch.tensor(v, dtype=torch.float64) for name, v in history.probes.items()}
        tensors |= {f"batches/{name}": values for name, values in history.batches.items()}
        tensors |= {f"choices/{name}": positions for name, positions in history.choices.items()}
        about = {
            "images": images,
            "epoch": epoch,
            "seconds": history.seconds,
            "processor_seconds": history.processor_seconds,
            "other_seconds": history.other_seconds,
            "interruptions": history.interruptions,
        }
        _write(self._file, tensors, {"about": json.dumps(about)})

    def keep(self, model: nn.Module, epoch: int, lr: float) -> None:
        """Write the networks as they are after `epoch` epochs, beside the checkpoint, with the learning rate."""
        tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
        _write(
            self._folder / f"model-{epoch:05d}.safetensors", {**tensors, "lr": torch.tensor(lr, dtype=torch.float64)}
        )

    def kept(self) -> list[Path]:
        """Return the files that `keep` wrote, by epoch."""
        return sorted(self._folder.glob("model-*.safetensors"))

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer, images: str) -> tuple[int, History]:
        """Restore model and optimiser, and return (epochs done, history); (0, empty) if there is no checkpoint.

        Raises:
            InputError: there is one, but it is damaged, or was trained on other images.
        """
        if not self.exists:
            return 0, History()
        try:
            with safe_open(self._file, "pt") as archive:
                tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
                about = json.loads(archive.metadata()["about"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"the checkpoint {self._file} is damaged ({error}); delete it to start again") from None
        if about["images"] != images:
            raise InputError(
                f"the checkpoint {self._file} was trained on other images, labels or groups; delete it to start again"
            )
        model.load_state_dict(below(tensors, "model/"))
        state: dict[int, dict[str, Any]] = {}
        for name, value in below(tensors, "optimizer/").items():
            number, key = name.split("/")
            state.setdefault(int(number), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        metrics = {name: values.tolist() for name, values in below(tensors, "metrics/").items()}
        probes = {name: values.tolist() for name, values in below(tensors, "probes/").items()}
        batches, choices = below(tensors, "batches/"), below(tensors, "choices/")
        processor, other = (about.get(name, math.nan) for name in ("processor_seconds", "other_seconds"))
        again = about["interruptions"] + 1
        return about["epoch"], History(metrics, batches, about["seconds"], processor, other, again, choices, probes)

    def delete(self) -> None:
        """Remove the checkpoint: what it led to is stored."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Followed(Checkpoint):
    """The checkpoint of a pretraining that another process writes: to continue from, and to leave alone."""

    def save(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, history: History, images: str
    ) -> None:
        """Leave it to the other process."""

    def keep(self, model: nn.Module, epoch: int, lr: float) -> None:
        """Leave it to the other process."""


def _write(file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    partial = file.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.rename(file)


def below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
