"""The other image whose loss gradient agrees most: pairwise TracIn [A], [TracIn]."""

import torch

from repro.pretrain.selectors.batch import Batch
from repro.pretrain.tracin import cosine_of


def dot_scores(batch: Batch) -> torch.Tensor:
    """Return K `[B, B]` as it is; images with large gradients become many images' partner."""
    return batch.kernel


def cosine_scores(batch: Batch) -> torch.Tensor:
    """Return K_ij / sqrt(K_ii K_jj) `[B, B]`. [us]"""
    return cosine_of(batch.kernel)
