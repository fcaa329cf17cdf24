"""What a selector sees of a batch."""

from dataclasses import dataclass
from functools import cached_property

import torch

from repro.pretrain.byol import Outputs
from repro.pretrain.tracin import last_layer_kernel


@dataclass(frozen=True)
class Batch:
    """One batch of pretraining, after its forward pass, without gradients.

    Args:
        out: what the networks made of it.
        labels: int64 `[B]` or 0/1 `[B, L]`. Only `oracle` and the measurements look at them.
        groups: int64 `[B]`, equal for images of one patient or lesion; None where unknown.
        generator: for selectors that draw at random; apart from the one that augments.
    """

    out: Outputs
    labels: torch.Tensor
    groups: torch.Tensor | None
    generator: torch.Generator

    @cached_property
    def kernel(self) -> torch.Tensor:
        """K `[B, B]`: pairwise TracIn over the predictor's last layer."""
        return last_layer_kernel(self.out)

    @cached_property
    def same_label(self) -> torch.Tensor:
        """Bool `[B, B]`: the same class; for several labels, one in common, or none in both. [us]"""
        if self.labels.ndim == 1:
            return self.labels[:, None] == self.labels[None, :]
        none = self.labels.sum(dim=1) == 0
        return (self.labels.float() @ self.labels.float().T > 0) | (none[:, None] & none[None, :])

    def allowed(self, exclude_group: bool) -> torch.Tensor:
        """Return bool `[B, B]`: j may be i's partner: another image and, if asked for, of another group."""
        itself = torch.eye(len(self.labels), dtype=torch.bool, device=self.labels.device)
        if exclude_group and self.groups is not None:
            return ~(itself | (self.groups[:, None] == self.groups[None, :]))
        return ~itself

    def random(self) -> torch.Tensor:
        """Return independent uniform numbers `[B, B]` in [0, 1)."""
        n, device = len(self.labels), self.labels.device
        return torch.rand(n, n, generator=self.generator, device=device)
