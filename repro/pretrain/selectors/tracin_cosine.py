"""The other image whose loss gradient has the highest cosine similarity: pairwise TracIn [A], [TracIn]; cosine [us]."""

import torch

from repro.pretrain.selectors.batch import Batch
from repro.pretrain.tracin import cosine_of


def scores(batch: Batch) -> torch.Tensor:
    """Return K_ij / sqrt(K_ii K_jj) `[B, B]`."""
    return cosine_of(batch.kernel)
