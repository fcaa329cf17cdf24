"""The image of a memory bank whose last-layer gradient points most the same way: more to choose from than a batch. [us]

The bank keeps the gradients of earlier batches as they were: the weights have moved on since.
"""

import torch

from repro.pretrain.selectors.batch import Batch
from repro.pretrain.selectors.queue import candidates
from repro.pretrain.tracin import cosine_between


def scores(batch: Batch) -> torch.Tensor:
    """Return K `[B, N]` over the last layer, or K_ij / sqrt(K_ii K_jj) as `batch.normalize` says."""
    own, theirs = batch.last, candidates(batch).last
    assert own is not None
    assert theirs is not None
    kernel = own.products(theirs)
    if batch.normalize == "dot":
        return kernel
    return cosine_between(kernel, own.squared_norms(), theirs.squared_norms())
