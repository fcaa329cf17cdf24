"""How features lie in their space: effective rank, alignment and uniformity, without any label."""

import torch
from torch.nn import functional as F


def effective_rank(features: torch.Tensor) -> float:
    """Return RankMe, the exponential of the entropy of the normalised singular values, in [1, min(N, D)].

    Garrido et al. 2023, eq. 1. A network that has collapsed gives about 1.

    Args:
        features: `[N, D]`.
    """
    values = torch.linalg.svdvals(features.double())
    share = values / values.sum().clamp_min(torch.finfo(values.dtype).tiny)
    return float(torch.special.entr(share).sum().exp())


def alignment(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the mean squared distance of two views of an image on the unit sphere, in [0, 4]; lower is closer.

    Wang and Isola 2020, eq. 1 with alpha = 2.

    Args:
        first, second: `[N, D]`, a row for each image.
    """
    return float((F.normalize(first, dim=1) - F.normalize(second, dim=1)).square().sum(dim=1).mean())


def uniformity(points: torch.Tensor) -> float:
    """Return log mean exp(-2 d^2) over all pairs of images on the unit sphere, at most 0; lower is more even.

    Wang and Isola 2020, eq. 2 with t = 2.

    Args:
        points: `[N, D]`, N > 1.
    """
    squared = torch.pdist(F.normalize(points, dim=1)).square()
    return float(squared.mul(-2).exp().mean().log())
