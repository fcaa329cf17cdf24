"""A random other image of the same label: an upper bound, since it uses the labels. [us]

With `selector.error` it errs at that rate, which shows how good the partners must be for the pull to pay.
"""

import torch

from repro.pretrain.selectors.batch import Batch


def scores(batch: Batch) -> torch.Tensor:
    """Return random scores `[B, B]`, higher by 1 for the same label, so that any such image comes first.

    For each image, with probability `selector.error`, images of another label come first instead.
    """
    drawn, wanted, error = batch.random(), batch.same_label(batch.members), batch.settings["error"]
    if error > 0:  # without errors nothing more is drawn
        wanted = wanted ^ batch.coin(error)[:, None]
    return drawn + wanted
