"""SimSiam (Chen and He 2021) and, if a selector is named, the pull towards an additional positive."""

from typing import Any

import torch
from torch import nn

from repro.errors import InputError
from repro.pretrain.byol import Outputs, Partners, image_losses, partner_losses
from repro.pretrain.encoder import Encoder
from repro.pretrain.heads import Head
from repro.pretrain.objectives.partnered import Partnered
from repro.pretrain.precision import exact
from repro.pretrain.tracin import ImageLosses


class SimSiam(nn.Module):
    """One network whose own projections, without gradient, are its targets.

    Args:
        encoder: f, with its feature size as `features`.
        hidden, out: sizes of the three-layer projector.
        bottleneck: hidden units of the predictor.
    """

    def __init__(self, encoder: Encoder, hidden: int, out: int, bottleneck: int) -> None:
        super().__init__()
        from lightly.models.modules import SimSiamProjectionHead

        self.encoder = encoder
        self.projector = SimSiamProjectionHead(encoder.features, hidden, out)
        self.predictor = Head(out, bottleneck, out)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> Outputs:
        """Pass two views `[B, 3, H, W]`, each with its own batch statistics."""
        z = [self.projector(self.encoder(view)) for view in (first, second)]
        p, a = (exact(torch.stack(each)) for each in zip(*map(self.predictor, z), strict=True))
        projections = exact(torch.stack(z))
        return Outputs(p=p, a=a, z=projections, t=projections.detach())


class SimSiamObjective(Partnered):
    """BYOL's loss without a target network (Algorithm 1), and lambda(epoch) times that towards partners.

    In BYOL's scale, 2 - 2 cos for each view, which is 4 times the paper's loss and 4 more, so that learning rates and
    lambda mean the same as for BYOL [us].
    """

    @classmethod
    def check(cls, config: dict[str, Any]) -> None:
        """Refuse what SimSiam cannot be without."""
        if not config["heads"]["predictor"]:
            raise InputError("heads.predictor=False: simsiam needs its predictor; take byol")

    def networks(self, encoder: Encoder) -> nn.Module:
        """Return encoder, projector and predictor."""
        heads = self.config["heads"]
        bottleneck = max(1, heads["out"] // self.config["simsiam"]["bottleneck"])
        return SimSiam(encoder, heads["hidden"], heads["out"], bottleneck)

    def image_losses(self) -> ImageLosses:
        """Return each view's prediction against the other view's projection."""
        return image_losses

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the projections; see `Objective.projections`."""
        return self.model.projector(self.model.encoder(images))

    def collapsible(self, out: Outputs) -> torch.Tensor:
        """Return predictions: the projections' last BatchNorm spreads them however little images differ."""
        return out.p[0]

    def terms(self, out: Outputs, partners: Partners | None) -> dict[str, torch.Tensor]:
        """Return loss, loss_simsiam and, with partners, loss_partner."""
        own = image_losses(out).mean()
        terms = {"loss": own, "loss_simsiam": own}
        if partners is not None:
            terms["loss_partner"] = partner_losses(out, partners, self.config["selector"]["symmetric"]).mean()
            terms["loss"] = own + self.weight * terms["loss_partner"]
        return terms


OBJECTIVE = SimSiamObjective
