"""Any other image, each as likely: what a partner does when it is not chosen. [us]"""

import torch

from repro.pretrain.selectors.batch import Batch


def scores(batch: Batch) -> torch.Tensor:
    """Return random scores `[B, B]`."""
    return batch.random()
