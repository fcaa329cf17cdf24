"""Who is the additional positive? A selector scores every pair of a batch; the best other image is chosen.

A new selector is a file with a `scores` function and a line in `SELECTORS`.
"""

from collections.abc import Callable

import torch

from repro.pretrain.selectors import cosine, oracle, random, tracin
from repro.pretrain.selectors.batch import Batch

SELECTORS: dict[str, Callable[[Batch], torch.Tensor]] = {
    "random": random.scores,
    "cosine": cosine.scores,
    "tracin_cosine": tracin.cosine_scores,
    "tracin_dot": tracin.dot_scores,
    "oracle": oracle.scores,
}


def choose(scores: torch.Tensor, allowed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each image's partner, argmax_j scores_ij over the allowed j, and whether it has one.

    Args:
        scores: `[B, B]`.
        allowed: bool `[B, B]`, False where j may not be i's partner (always False on the diagonal).

    Returns:
        partner int64 `[B]` (the image itself where it has none), has_partner bool `[B]`.
    """
    has_partner = allowed.any(dim=1)
    best = scores.masked_fill(~allowed, -torch.inf).argmax(dim=1)
    return torch.where(has_partner, best, torch.arange(len(scores), device=scores.device)), has_partner


__all__ = ["SELECTORS", "Batch", "choose"]
