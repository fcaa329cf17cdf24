"""What a selector sees of a batch, and who can be chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from repro.pretrain.byol import Outputs
from repro.pretrain.gradients.last_layer import LastLayer


@dataclass(frozen=True)
class Members:
    """Images, by who they are: those of a batch, or of a memory bank.

    Args:
        position: int64 `[N]`, which image of the training split; -1 where a memory bank is still empty.
        labels: int64 `[N]`, -1 where unknown, or 0/1 `[N, L]`. Only `oracle` and the measurements look at them.
        groups: int64 `[N]`, equal for images of one patient or lesion; None where unknown.
    """

    position: torch.Tensor
    labels: torch.Tensor
    groups: torch.Tensor | None

    @property
    def labelled(self) -> torch.Tensor:
        """Bool `[N]`: whether the label is known."""
        return self.labels >= 0 if self.labels.ndim == 1 else torch.ones_like(self.position, dtype=torch.bool)


@dataclass(frozen=True)
class Candidates:
    """Images that can be chosen as partners.

    Args:
        t: their target projections of both views `[2, N, P]`.
        members: who they are.
        last: the gradients of their losses at the last layer, if the config asks for them.
    """

    t: torch.Tensor
    members: Members
    last: LastLayer | None = None


@dataclass(frozen=True)
class Batch:
    """One batch of pretraining, after its forward pass, without gradients.

    Args:
        out: what the networks made of it.
        members: who is in it.
        kernel: K `[B, B]`, pairwise TracIn over the tier that the config names.
        generator: for selectors that draw at random; apart from the one that augments.
        bank: images of earlier batches, if the config keeps any.
        settings: the config's group `selector`.
        last: the gradients of the batch's losses at the last layer, if the config asks for them.
        normalize: cosine or dot, of products with gradients in the bank.
    """

    out: Outputs
    members: Members
    kernel: torch.Tensor
    generator: torch.Generator
    bank: Candidates | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    last: LastLayer | None = None
    normalize: str = "cosine"

    @property
    def own(self) -> Candidates:
        """The batch's own images."""
        return Candidates(self.out.t, self.members, self.last)

    def same_label(self, others: Members) -> torch.Tensor:
        """Return bool `[B, N]`: the same known class; for several labels, one in common, or none in both. [us]"""
        own, theirs = self.members.labels, others.labels
        if own.ndim == 1:
            return (own[:, None] == theirs[None, :]) & self.members.labelled[:, None]
        none, nor = own.sum(dim=1) == 0, theirs.sum(dim=1) == 0
        return (own.float() @ theirs.float().T > 0) | (none[:, None] & nor[None, :])

    def allowed(self, others: Members, exclude_group: bool) -> torch.Tensor:
        """Return bool `[B, N]`: j may be i's partner: another image and, if asked for, of another group."""
        may = (self.members.position[:, None] != others.position[None, :]) & (others.position >= 0)[None, :]
        if exclude_group and self.members.groups is not None and others.groups is not None:
            may &= self.members.groups[:, None] != others.groups[None, :]
        return may

    def random(self) -> torch.Tensor:
        """Return independent uniform numbers `[B, B]` in [0, 1)."""
        n, device = self.out.t.shape[1], self.out.t.device
        return torch.rand(n, n, generator=self.generator, device=device)

    def coin(self, probability: float) -> torch.Tensor:
        """Return bool `[B]`, each True with a probability in [0, 1]."""
        n, device = self.out.t.shape[1], self.out.t.device
        return torch.rand(n, generator=self.generator, device=device) < probability
