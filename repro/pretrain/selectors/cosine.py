"""The nearest other image by its target projection: the simplest alternative to TracIn. [us]"""

import torch
from torch.nn import functional as F

from repro.pretrain.selectors.batch import Batch


def scores(batch: Batch) -> torch.Tensor:
    """Return the cosine similarity `[B, B]` of target projections, averaged over the four pairs of views."""
    t = F.normalize(batch.out.t, dim=-1).mean(dim=0)
    return t @ t.T
