"""The nearest image of a memory bank by its target projection, as NNCLR chooses its positives. [us]

Dwibedi et al. 2021, With a Little Help from My Friends.
"""

import torch
from torch.nn import functional as F

from repro.pretrain.selectors.batch import Batch, Candidates


def candidates(batch: Batch) -> Candidates:
    """Return the bank's images, in place of the batch's own."""
    assert batch.bank is not None
    return batch.bank


def scores(batch: Batch) -> torch.Tensor:
    """Return the cosine similarity `[B, N]` of target projections, averaged over the four pairs of views."""
    own, theirs = (F.normalize(t, dim=-1).mean(dim=0) for t in (batch.out.t, candidates(batch).t))
    return own @ theirs.T
