"""Contrastive rivals of BYOL with lightly's losses: SimCLR, decoupled contrastive learning, NNCLR.

They share BYOL's encoder, heads, augmentation, schedule and budget.
"""

from typing import Any

import torch
from lightly.loss import DCLLoss, NTXentLoss
from torch import nn

from repro.pretrain import processes
from repro.pretrain.bank import NeighbourBank
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.heads import Head
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class SimClr(Objective):
    """NT-Xent between the projections of two views (Chen et al. 2020, A Simple Framework, eq. 1)."""

    criterion_type: type[nn.Module] = NTXentLoss

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        heads = config["heads"]
        head = Head(encoder.features, heads["hidden"], heads["out"])
        self.model = processes.join_norms(nn.Sequential(encoder, head))
        self.criterion = self.criterion_type(temperature=config["contrastive"]["temperature"])
        if config["pretrain"]["compile"]:
            self.model.compile()

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the contrastive loss; see `Objective.losses`."""
        with self.autocast():
            (z1, _), (z2, _) = self.model(first), self.model(second)
        z1, z2 = processes.gathered(exact(z1)), processes.gathered(exact(z2))
        return {"loss": self.criterion(z1, z2), "feature_std": feature_std(z1.detach())}

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the projections; see `Objective.projections`."""
        return self.model(images)[0]


class Dcl(SimClr):
    """SimCLR with the positive pair left out of the denominator (Yeh et al. 2022, Decoupled Contrastive, eq. 6)."""

    criterion_type = DCLLoss


class NnClr(SimClr):
    """SimCLR whose positive is the nearest image of a memory bank (Dwibedi et al. 2021, eq. 3 and 4)."""

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        heads = config["heads"]
        self.predictor = processes.join_norms(Head(heads["out"], heads["hidden"], heads["out"]))
        self.bank = NeighbourBank(config["contrastive"]["bank"], heads["out"])

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the contrastive loss; see `Objective.losses`."""
        with self.autocast():
            (z1, _), (z2, _) = self.model(first), self.model(second)
            (p1, _), (p2, _) = self.predictor(z1), self.predictor(z2)
        z1, z2, p1, p2 = (processes.gathered(exact(x)) for x in (z1.detach(), z2.detach(), p1, p2))
        nearest1, nearest2 = self.bank(z1), self.bank(z2, update=True)
        loss = (self.criterion(nearest1, p2) + self.criterion(nearest2, p1)) / 2
        return {"loss": loss, "feature_std": feature_std(z1)}
