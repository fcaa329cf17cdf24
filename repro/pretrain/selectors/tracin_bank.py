"""The image of a memory bank whose last-layer gradient points most the same way: more to choose from than a batch. [us]

The bank keeps the gradients of earlier batches as they were: the weights have moved on since.
"""

import torch

from repro.pretrain.selectors.batch import Batch, Candidates


def candidates(batch: Batch) -> Candidates:
    """Return the bank's images, in place of the batch's own."""
    assert batch.bank is not None
    return batch.bank


def scores(batch: Batch) -> torch.Tensor:
    """Return K `[B, N]` over the last layer, or K_ij / sqrt(K_ii K_jj) as `batch.normalize` says."""
    own, theirs = batch.last, candidates(batch).last
    assert own is not None
    assert theirs is not None
    kernel = own.products(theirs)
    if batch.normalize == "dot":
        return kernel
    lengths = [each.squared_norms().clamp_min(0).sqrt() for each in (own, theirs)]
    return kernel / (lengths[0][:, None] * lengths[1][None, :]).clamp_min(torch.finfo(kernel.dtype).tiny)
