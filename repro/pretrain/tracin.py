"""Pairwise TracIn inside a batch (Pruthi et al. 2020): which images' gradients point the same way?

K_ij = grad l_i . grad l_j over a set of parameters. The learning rate is common to a row and left out: it never
changes which j is largest.
"""

import torch

from repro.pretrain.byol import Outputs


def last_layer_kernel(out: Outputs) -> torch.Tensor:
    """Return K `[B, B]` over the predictor's last Linear layer (weight and bias), without any backward pass.

    The layer stands above the last BatchNorm, so the result is exact in train mode: with inputs a and output
    gradients d, K_ij is the sum over the views u, w of (a_i^u . a_j^w + 1)(d_i^u . d_j^w).
    """
    a, d = out.a.flatten(0, 1), output_gradients(out).flatten(0, 1)
    with torch.autocast(a.device.type, enabled=False):  # Gram products in float32
        gram = (a @ a.T + 1) * (d @ d.T)
    views, batch = out.p.shape[:2]
    return gram.view(views, batch, views, batch).sum(dim=(0, 2))


def output_gradients(out: Outputs) -> torch.Tensor:
    """Return dl_i/dp for both views, `[2, B, P]`: -2/|p| (t^ - (p^ . t^) p^), t being the other view's target."""
    norm = out.p.norm(dim=-1, keepdim=True)
    p = out.p / norm
    t = torch.nn.functional.normalize(out.t.flip(0), dim=-1)
    return -2 / norm * (t - (p * t).sum(dim=-1, keepdim=True) * p)


def cosine_of(kernel: torch.Tensor) -> torch.Tensor:
    """Return K_ij / sqrt(K_ii K_jj) `[B, B]`, in [-1, 1]; 0 where a gradient vanishes. [us]"""
    norm = kernel.diagonal().clamp_min(0).sqrt()
    return kernel / (norm[:, None] * norm[None, :]).clamp_min(torch.finfo(kernel.dtype).tiny)
