"""Decoupled contrastive learning (Yeh et al. 2022) with NNCLR's positives (Dwibedi et al. 2021)."""

from typing import Any

from torch import nn

from repro.pretrain.objectives.nnclr import NnClr


class DclNn(NnClr):
    """NNCLR with lightly's decoupled loss: the positive pair is left out of the denominator."""

    def criterion_of(self, config: dict[str, Any]) -> nn.Module:
        """Return lightly's loss."""
        from lightly.loss import DCLLoss

        return DCLLoss(config["contrastive"]["temperature"])


OBJECTIVE = DclNn
