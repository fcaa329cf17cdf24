"""BYOL and, if a selector is named, the pull towards an additional positive: the paper's method [A], [BYOL]."""

import torch
from torch import nn

from repro.pretrain.byol import Byol, Outputs, Partners, decay_at, image_losses, partner_losses
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.partnered import Partnered
from repro.pretrain.tracin import ImageLosses


class ByolObjective(Partnered):
    """L = L_byol + lambda(epoch) mean_i l+_i."""

    model: Byol

    def networks(self, encoder: Encoder) -> nn.Module:
        """Return online and target network."""
        return Byol(encoder, **self.config["heads"])

    def image_losses(self) -> ImageLosses:
        """Return BYOL's: each view's prediction against the other view's target."""
        return image_losses

    def terms(self, out: Outputs, partners: Partners | None) -> dict[str, torch.Tensor]:
        """Return loss, loss_byol and, with partners, loss_partner."""
        byol = image_losses(out).mean()
        terms = {"loss": byol, "loss_byol": byol}
        if partners is not None:
            terms["loss_partner"] = partner_losses(out, partners, self.config["selector"]["symmetric"]).mean()
            terms["loss"] = byol + self.weight * terms["loss_partner"]
        return terms

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Count from 0 how often the epoch replaces the target; see `Objective.begin_epoch`."""
        super().begin_epoch(epoch, generator)
        self.renewed = 0.0

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the online projections; see `Objective.projections`."""
        return self.model.projector(self.model.encoder(images))[0]

    def after_step(self, step: int) -> None:
        """Move the target network."""
        tau = decay_at(step, self.context.steps, self.config["pretrain"])
        self.model.update_target(tau)
        self.renewed += 1 - tau

    def end_epoch(self) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Return how often the epoch replaced the target too (the sum of 1 - tau); see `Partnered.end_epoch`."""
        metrics, by_batch = super().end_epoch()
        return {**metrics, "pretrain/renewals": self.renewed}, by_batch


OBJECTIVE = ByolObjective
