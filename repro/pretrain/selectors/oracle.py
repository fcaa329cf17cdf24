"""A random other image of the same label: an upper bound, since it uses the labels. [us]"""

import torch

from repro.pretrain.selectors.batch import Batch


def scores(batch: Batch) -> torch.Tensor:
    """Return random scores `[B, B]`, higher by 1 for the same label, so that any such image comes first."""
    return batch.random() + batch.same_label(batch.members)
