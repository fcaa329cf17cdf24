"""Interface of an objective to the training loop."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from repro.pretrain.byol import Byol
from repro.pretrain.encoder import Encoder
from repro.pretrain.selectors import Members


@dataclass(frozen=True)
class Context:
    """What an objective must know beside the config.

    Args:
        steps: of the whole training.
        classes: number of classes or labels, to measure with.
        multi_label: whether an image can have several labels.
        autocast: makes the context in which networks, and nothing else, compute in the config's precision.
        stored: (learning rate, networks) of stored checkpoints, for tracin.source=pretrained.
    """

    steps: int
    classes: int
    multi_label: bool
    autocast: Callable[[], AbstractContextManager[Any]]
    stored: Sequence[tuple[float, Byol]] = ()


class Objective(nn.Module):
    """Networks and a loss over two views. Its state is what a checkpoint must hold.

    Args:
        encoder: starting weights; trained in place.
        config: the whole config.
        context: what else there is to know.

    Subclasses set `model`: the networks, for copies of them.
    """

    model: Any  # a module; what is in it differs from method to method

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__()
        self.config, self.context, self.autocast = config, context, context.autocast

    @classmethod
    def with_partners(cls) -> "type[Objective] | None":
        """Return the class that trains with an additional positive; None if there is none."""
        return None

    @classmethod
    def check(cls, config: dict[str, Any]) -> None:
        """Raise InputError if the objective cannot do what the config asks of it, before anything is recorded."""

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Prepare for an epoch, counted from 0; `generator` is for what the objective draws itself."""

    def learned(self, epoch: int) -> None:
        """Hear after how many epochs a probe first found the networks above random weights (selector.start=learned)."""

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return what to minimise as "loss", and other scalars worth logging; "feature_std" among them.

        Args:
            first, second: the views `[B, 3, H, W]`, of this process's share of the batch.
            members: who is in the whole batch.
            step: from 0.
        """
        raise NotImplementedError

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the loss compares, `[B, P]`, of normalised images `[B, 3, H, W]`."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Do what follows an optimiser step, such as moving a target network."""

    def end_epoch(self) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Return further metrics of the epoch, and statistics batch by batch, `[batches]` each."""
        return {}, {}

    def choices(self) -> dict[str, torch.Tensor]:
        """Return who was whose partner in the epoch's last batch, as `Choices.read` does; empty without partners."""
        return {}

    def trained_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return the named parameters that the optimiser changes."""
        return [(name, p) for name, p in self.named_parameters() if p.requires_grad]
