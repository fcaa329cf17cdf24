"""SimCLR (Chen et al. 2020) and, if a selector is named, the additional positive as one more in its numerator."""

import functools
from typing import Any

import torch
from torch import nn

from repro.errors import InputError
from repro.pretrain import ntxent
from repro.pretrain.byol import Outputs, Partners
from repro.pretrain.encoder import Encoder
from repro.pretrain.heads import Head
from repro.pretrain.objectives.base import Objective
from repro.pretrain.objectives.partnered import Partnered
from repro.pretrain.objectives.siamese import Siamese
from repro.pretrain.precision import exact
from repro.pretrain.selectors import SELECTORS
from repro.pretrain.tracin import ImageLosses


class Projector(Head):
    """BYOL's projector, as a plain network: h `[B, D]` to z `[B, P]`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return the projections."""
        return super().forward(x)[0]


class SimClr(Siamese):
    """NT-Xent between the projections of two views (eq. 1), with lightly's loss and BYOL's projector."""

    def projector(self, features: int) -> nn.Module:
        """Return BYOL's projector."""
        return Projector(features, self.config["heads"]["hidden"], self.config["heads"]["out"])

    def criterion_of(self, config: dict[str, Any]) -> nn.Module:
        """Return lightly's loss."""
        from lightly.loss import NTXentLoss

        return NTXentLoss(config["contrastive"]["temperature"])

    @classmethod
    def with_partners(cls) -> type[Objective] | None:
        """Return SimCLR with an additional positive."""
        return SimClrWithPartners


class SimClrNetworks(nn.Module):
    """Encoder and projector; the projections stand for predictions and for targets.

    Args:
        encoder: f, with its feature size as `features`.
        hidden, out: sizes of the projector.
    """

    predictor = None

    def __init__(self, encoder: Encoder, hidden: int, out: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = Head(encoder.features, hidden, out)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> Outputs:
        """Pass two views `[B, 3, H, W]`, each with its own batch statistics."""
        passed = [self.projector(self.encoder(view)) for view in (first, second)]
        z, a = (exact(torch.stack(each)) for each in zip(*passed, strict=True))
        return Outputs(p=z, a=a, z=z, t=z.detach())


class SimClrWithPartners(Partnered):
    """SimCLR whose numerator has the chosen image's other view too, lambda(epoch) times.

    Pairwise TracIn compares the gradients of each image's NT-Xent, other images' projections being constants, as the
    batch's statistics are [us].
    """

    @classmethod
    def check(cls, config: dict[str, Any]) -> None:
        """Refuse `selector.symmetric`."""
        if config["selector"]["symmetric"]:
            raise InputError("selector.symmetric=True: simclr is symmetric already; leave it out")

    def networks(self, encoder: Encoder) -> nn.Module:
        """Return encoder and projector."""
        return SimClrNetworks(encoder, self.config["heads"]["hidden"], self.config["heads"]["out"])

    def image_losses(self) -> ImageLosses:
        """Return each image's NT-Xent."""
        return functools.partial(own_losses, self.config["contrastive"]["temperature"])

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the projections; see `Objective.projections`."""
        return self.model.projector(self.model.encoder(images))[0]

    def terms(self, out: Outputs, partners: Partners | None) -> dict[str, torch.Tensor]:
        """Return loss, loss_simclr (without the partner), and loss_partner, the partner's own cross-entropy."""
        assert partners is not None
        assert self.selector is not None
        temperature, in_batch = self.config["contrastive"]["temperature"], SELECTORS[self.selector].in_batch
        theirs = (out.p if in_batch else partners.t).flip(0)[:, partners.index]
        loss, own = ntxent.with_partners(out.p, theirs, partners.valid, temperature, self.weight, in_batch)
        plain = ntxent.image_losses(out.p.detach(), temperature).mean()
        return {"loss": loss.mean(), "loss_simclr": plain, "loss_partner": own.detach().mean()}


def own_losses(temperature: float, out: Outputs, views: int) -> torch.Tensor:
    """Return each image's NT-Xent `[B]`, with a gradient at its own projections alone."""
    return ntxent.image_losses(out.p, temperature, constant_others=True, views=views)


OBJECTIVE = SimClr
