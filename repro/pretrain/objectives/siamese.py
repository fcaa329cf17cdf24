"""Base of methods with one network: an encoder, a projector, and a loss between the projections of two views."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from repro.pretrain import processes
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class Siamese(Objective):
    """A loss between the projections of two views, both with gradient.

    A rival says what its projector is (`projector`) and its loss (`criterion_of`).
    """

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        self.model = processes.join_norms(nn.Sequential(encoder, self.projector(encoder.features)))
        self.criterion = self.criterion_of(config)
        if config["pretrain"]["compile"]:
            self.model.compile()

    def projector(self, features: int) -> nn.Module:
        """Return the network from h `[B, features]` to projections `[B, P]`."""
        raise NotImplementedError

    def criterion_of(self, config: dict[str, Any]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Return the loss of the projections `[B, P]` of view 1 and of view 2."""
        raise NotImplementedError

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the projections; see `Objective.projections`."""
        return self.model(images)

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the rival's loss; see `Objective.losses`."""
        with self.autocast():
            z1, z2 = self.model(first), self.model(second)
        z1, z2 = processes.gathered(exact(z1)), processes.gathered(exact(z2))
        return {"loss": self.criterion(z1, z2), "feature_std": feature_std(z1.detach())}
