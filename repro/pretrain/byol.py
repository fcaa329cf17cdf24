"""BYOL (Grill et al. 2020): an online network predicts a slowly moving target's view of the same image."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from repro.pretrain import processes
from repro.pretrain.heads import Head
from repro.pretrain.precision import exact


@dataclass(frozen=True)
class Outputs:
    """What the networks make of one batch, both views stacked, in float32 or better.

    Args:
        p: predictions `[2, B, P]`.
        a: inputs of the last layer before p `[2, B, H]`.
        z: online projections `[2, B, P]`.
        t: target projections `[2, B, P]`, without gradient.
    """

    p: torch.Tensor
    a: torch.Tensor
    z: torch.Tensor
    t: torch.Tensor

    def gathered(self) -> "Outputs":
        """Return what the networks of all processes make of the whole batch; only p carries a gradient back."""
        p, a, z, t = (processes.gathered(x, dim=1) for x in (self.p, self.a.detach(), self.z.detach(), self.t))
        return Outputs(p, a, z, t)


@dataclass(frozen=True)
class Partners:
    """Each image's additional positives.

    Args:
        t: target projections of all who can be chosen `[2, N, P]`: the batch's own, or a memory bank's.
        index: int64 `[B, k]`, which of them; meaningless where not valid.
        valid: bool `[B, k]`; False where fewer than k could be chosen.
    """

    t: torch.Tensor
    index: torch.Tensor
    valid: torch.Tensor


class Byol(nn.Module):
    """Online encoder, projector and predictor, and the target encoder and projector.

    Args:
        encoder: f, with its feature size as `features`.
        hidden, out: sizes of the heads.
        predictor: without one (False) both networks soon agree on a constant: they collapse.
    """

    def __init__(self, encoder: nn.Module, hidden: int, out: int, predictor: bool = True) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = Head(encoder.features, hidden, out)  # type: ignore[arg-type]
        self.predictor = Head(out, hidden, out) if predictor else None
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> Outputs:
        """Pass two views `[B, 3, H, W]` through both networks, each view with its own batch statistics."""
        online = [self._predicted(view) for view in (first, second)]
        with torch.no_grad():
            targets = [self.target_projector(self.target_encoder(view))[0] for view in (first, second)]
        return Outputs(
            **{name: exact(torch.stack([view[name] for view in online])) for name in "paz"},
            t=exact(torch.stack(targets)),
        )

    def _predicted(self, view: torch.Tensor) -> dict[str, torch.Tensor]:
        z, a = self.projector(self.encoder(view))
        p, a = (z, a) if self.predictor is None else self.predictor(z)
        return {"p": p, "a": a, "z": z}

    @torch.no_grad()
    def update_target(self, tau: float) -> None:
        """Move the target towards the online network: xi <- tau xi + (1 - tau) theta."""
        move(self.target_encoder, self.encoder, tau)
        move(self.target_projector, self.projector, tau)


@torch.no_grad()
def move(target: nn.Module, online: nn.Module, tau: float) -> None:
    """Move a target network's parameters towards the online network's: xi <- tau xi + (1 - tau) theta."""
    get_ema_multi_avg_fn(tau)(list(target.parameters()), list(online.parameters()), None)


def distance(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return 2 - 2 cos(p, t) along the last dimension, in [0, 4] (Grill et al. 2020, eq. 2)."""
    return 2 - 2 * F.cosine_similarity(p, t, dim=-1)


def image_losses(out: Outputs, views: int = 2) -> torch.Tensor:
    """Return l_i `[B]`: each view's prediction against the other view's target.

    Args:
        out: the batch's outputs.
        views: 2, or 1 for the first view's prediction alone.
    """
    return distance(out.p[:views], out.t.flip(0)[:views]).sum(dim=0)


def partner_losses(out: Outputs, partners: Partners, symmetric: bool = False) -> torch.Tensor:
    """Return l+_i `[B]`: each view's prediction against the partner's other view's target; 0 without a partner.

    With several partners their mean. Symmetric: the mean of that and of the partner's prediction of the image.

    Args:
        out: the batch's outputs.
        partners: who they are; for `symmetric`, images of the same batch.
        symmetric: whether the pull goes both ways.
    """
    theirs = partners.t.flip(0)[:, partners.index]
    losses = distance(out.p[:, :, None], theirs).sum(dim=0)
    if symmetric:
        own = out.t.flip(0)[:, :, None]
        losses = (losses + distance(out.p[:, partners.index], own).sum(dim=0)) / 2
    return (losses * partners.valid).sum(dim=1) / partners.valid.sum(dim=1).clamp_min(1)


def tau_for(renewals: float, steps: int) -> float:
    """Return the EMA decay at step 0 with which `tau_at` replaces the target so many times in all.

    Along the cosine the sum over all steps of 1 - tau is (1 - tau_base) steps / 2. A fixed tau means another target for
    every length of schedule: BYOL's presets are 0.97 for 40 epochs, 0.99 for 100 and 300, 0.996 for 1000. [us]

    Args:
        renewals: how many times; at most half the number of steps, where the target starts as a copy of every step.
        steps: of the whole training.
    """
    return max(0.0, 1 - 2 * renewals / steps)


def tau_at(step: int, steps: int, tau_base: float) -> float:
    """Return the EMA decay at a step: from tau_base to 1 along a cosine (Grill et al. 2020, section 3.3)."""
    return 1 - (1 - tau_base) * (math.cos(math.pi * step / steps) + 1) / 2


def decay_at(step: int, steps: int, settings: dict[str, Any]) -> float:
    """Return the EMA decay at a step of a training.

    Args:
        step, steps: from 0, and of the whole training.
        settings: the `pretrain` settings; with tau=None its start comes from `renewals`.
    """
    base = tau_for(settings["renewals"], steps) if settings["tau"] is None else settings["tau"]
    return tau_at(step, steps, base)
