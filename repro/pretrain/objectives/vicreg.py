"""VICReg (Bardes et al. 2022): views agree, every coordinate varies over the batch, and no two are correlated."""

from typing import Any

from torch import nn

from repro.pretrain.objectives.siamese import Siamese


class VicReg(Siamese):
    """Variance, invariance and covariance of two views' projections (eq. 6), with lightly's parts.

    All three layers of the projector are `heads.hidden` wide, as the paper's are of one width; `heads.out` is not used.
    """

    def projector(self, features: int) -> nn.Module:
        """Return the three-layer projector."""
        from lightly.models.modules.heads import VICRegProjectionHead

        width = self.config["heads"]["hidden"]
        return VICRegProjectionHead(features, width, width)

    def criterion_of(self, config: dict[str, Any]) -> nn.Module:
        """Return lightly's loss."""
        from lightly.loss import VICRegLoss

        settings = config["vicreg"]
        return VICRegLoss(settings["invariance"], settings["variance"], settings["covariance"])


OBJECTIVE = VicReg
