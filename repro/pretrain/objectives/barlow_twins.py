"""Barlow Twins (Zbontar et al. 2021): the projections' coordinates agree between views, and are not correlated."""

from typing import Any

from torch import nn

from repro.pretrain.objectives.siamese import Siamese


class BarlowTwins(Siamese):
    """The cross-correlation of two views' projections is pulled towards the identity (eq. 1), with lightly's parts.

    All three layers of the projector are `heads.hidden` wide, as the paper's are of one width; `heads.out` is not used.
    """

    def projector(self, features: int) -> nn.Module:
        """Return the three-layer projector."""
        from lightly.models.modules import BarlowTwinsProjectionHead

        width = self.config["heads"]["hidden"]
        return BarlowTwinsProjectionHead(features, width, width)

    def criterion_of(self, config: dict[str, Any]) -> nn.Module:
        """Return lightly's loss."""
        from lightly.loss import BarlowTwinsLoss

        return BarlowTwinsLoss(config["barlow_twins"]["redundancy"])


OBJECTIVE = BarlowTwins
