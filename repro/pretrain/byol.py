"""BYOL (Grill et al. 2020): an online network predicts a slowly moving target's view of the same image."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from repro.pretrain.heads import Head


@dataclass(frozen=True)
class Outputs:
    """What the networks make of one batch, both views stacked, float32.

    Args:
        p: predictions `[2, B, P]`.
        a: inputs of the predictor's last layer `[2, B, H]`.
        t: target projections `[2, B, P]`, without gradient.
    """

    p: torch.Tensor
    a: torch.Tensor
    t: torch.Tensor


class Byol(nn.Module):
    """Online encoder, projector and predictor, and the target encoder and projector.

    Args:
        encoder: f, with its feature size as `features`.
        hidden, out: sizes of the heads.
    """

    def __init__(self, encoder: nn.Module, hidden: int, out: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = Head(encoder.features, hidden, out)  # type: ignore[arg-type]
        self.predictor = Head(out, hidden, out)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> Outputs:
        """Pass two views `[B, 3, H, W]` through both networks, each view with its own batch statistics."""
        online = [self.predictor(self.projector(self.encoder(view))[0]) for view in (first, second)]
        with torch.no_grad():
            targets = [self.target_projector(self.target_encoder(view))[0] for view in (first, second)]
        return Outputs(
            p=torch.stack([p for p, _ in online]).float(),
            a=torch.stack([a for _, a in online]).float(),
            t=torch.stack(targets).float(),
        )

    def online_parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Return the named parameters that are trained."""
        return [(name, p) for name, p in self.named_parameters() if p.requires_grad]

    @torch.no_grad()
    def update_target(self, tau: float) -> None:
        """Move the target towards the online network: xi <- tau xi + (1 - tau) theta."""
        pairs = ((self.target_encoder, self.encoder), (self.target_projector, self.projector))
        targets = [p for target, _ in pairs for p in target.parameters()]
        onlines = [p for _, online in pairs for p in online.parameters()]
        get_ema_multi_avg_fn(tau)(targets, onlines, None)


def distance(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return 2 - 2 cos(p, t) along the last dimension, in [0, 4] (Grill et al. 2020, eq. 2)."""
    return 2 - 2 * F.cosine_similarity(p, t, dim=-1)


def image_losses(out: Outputs) -> torch.Tensor:
    """Return l_i `[B]`: each view's prediction against the other view's target."""
    return distance(out.p[0], out.t[1]) + distance(out.p[1], out.t[0])


def partner_losses(out: Outputs, partner: torch.Tensor) -> torch.Tensor:
    """Return l+_i `[B]`: each view's prediction against the partner's other view's target.

    Args:
        out: the batch's outputs.
        partner: int64 `[B]`, the index of each image's additional positive.
    """
    return distance(out.p[0], out.t[1, partner]) + distance(out.p[1], out.t[0, partner])


def tau_at(step: int, steps: int, tau_base: float) -> float:
    """Return the EMA decay at a step: from tau_base to 1 along a cosine (Grill et al. 2020, section 3.3)."""
    return 1 - (1 - tau_base) * (math.cos(math.pi * step / steps) + 1) / 2
