"""Any other image, each as likely: a control for the choice of partner. [us]"""

import torch

from repro.pretrain.selectors.batch import Batch


def scores(batch: Batch) -> torch.Tensor:
    """Return random scores `[B, B]`."""
    return batch.random()
