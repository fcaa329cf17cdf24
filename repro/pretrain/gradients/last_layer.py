"""Gradients of the last layer in their two factors: inner products without any gradient being built."""

import itertools
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class LastLayer:
    """The gradient of each image's loss at the last layer, weight and bias: the sum over views of d (a, 1)^T.

    Args:
        a: what goes into the layer `[V, N, H]`.
        d: the gradient of each image's loss at what comes out `[V, N, P]`.
    """

    a: torch.Tensor
    d: torch.Tensor

    def products(self, others: "LastLayer") -> torch.Tensor:
        """Return K `[N, M]`, K_ij = sum over views u, w of (a_i^u . a_j^w + 1)(d_i^u . d_j^w)."""
        with torch.autocast(self.d.device.type, enabled=False):
            one, total = self.d.new_ones(1), self.d.new_zeros(self.d.shape[1], others.d.shape[1])
            for u, w in itertools.product(range(len(self.a)), range(len(others.a))):
                total.addcmul_(torch.addmm(one, self.a[u], others.a[w].T), self.d[u] @ others.d[w].T)
        return total

    def squared_norms(self) -> torch.Tensor:
        """Return K_ii `[N]`, the squared length of each image's gradient."""
        inputs = torch.einsum("unh,wnh->uwn", self.a, self.a) + 1
        return (inputs * torch.einsum("unp,wnp->uwn", self.d, self.d)).sum(dim=(0, 1))
