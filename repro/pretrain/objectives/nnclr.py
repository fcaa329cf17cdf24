"""NNCLR (Dwibedi et al. 2021): SimCLR whose positive is the nearest image of a memory bank."""

from typing import Any

import torch

from repro.pretrain import processes
from repro.pretrain.bank import NeighbourBank
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.objectives.simclr import Projector, SimClr
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class NnClr(SimClr):
    """SimCLR's loss between a prediction and the other view's nearest image in the bank (eq. 3 and 4)."""

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        heads = config["heads"]
        self.predictor = processes.join_norms(Projector(heads["out"], heads["hidden"], heads["out"]))
        self.bank = NeighbourBank(config["contrastive"]["bank"], heads["out"])

    @classmethod
    def with_partners(cls) -> type[Objective] | None:
        """Return None: the bank chooses its positives."""
        return None

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the contrastive loss; see `Objective.losses`."""
        with self.autocast():
            z1, z2 = self.model(first), self.model(second)
            p1, p2 = self.predictor(z1), self.predictor(z2)
        z1, z2, p1, p2 = (processes.gathered(exact(x)) for x in (z1.detach(), z2.detach(), p1, p2))
        nearest1, nearest2 = self.bank(z1), self.bank(z2, update=True)
        loss = (self.criterion(nearest1, p2) + self.criterion(nearest2, p1)) / 2
        return {"loss": loss, "feature_std": feature_std(z1)}


OBJECTIVE = NnClr
