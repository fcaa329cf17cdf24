"""Decoupled contrastive learning (Yeh et al. 2022): SimCLR with the positive pair left out of the denominator."""

from typing import Any

from torch import nn

from repro.pretrain.objectives.base import Objective
from repro.pretrain.objectives.simclr import SimClr


class Dcl(SimClr):
    """SimCLR with lightly's decoupled loss (eq. 6)."""

    def criterion_of(self, config: dict[str, Any]) -> nn.Module:
        """Return lightly's loss."""
        from lightly.loss import DCLLoss

        return DCLLoss(config["contrastive"]["temperature"])

    @classmethod
    def with_partners(cls) -> type[Objective] | None:
        """Return None: it takes no additional positive."""
        return None


OBJECTIVE = Dcl
