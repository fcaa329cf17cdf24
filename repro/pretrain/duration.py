"""How long a pretraining will take, before it begins: from a few steps of its encoder alone."""

import time
from typing import Any

import torch

from repro.pretrain.encoder import encoder_of

IMAGES, ROUNDS = 32, 2
"""Images of a step that is timed, and how many are timed after one that is not."""

OVER_ENCODER = 4.0
"""What a BYOL step takes for an image, over forward and backward of the encoder for one view: two views, the target's
forward pass of both, views and heads. [us]"""


def seconds_of_pretraining(config: dict[str, Any], training_images: int, device: torch.device) -> float:
    """Return about how many seconds pretraining will take; half to double of it is usual.

    Args:
        config: the resolved config of a method that pretrains.
        training_images: how many images an epoch has.
        device: where it will run.
    """
    with torch.random.fork_rng():
        encoder = encoder_of(config).to(device).train()
        size = config["data"]["size"]
        images = torch.zeros(IMAGES, 3, size, size, device=device)
        for round_ in range(ROUNDS + 1):
            if round_ == 1:  # the first one pays for kernels
                _wait(device)
                began = time.monotonic()
            encoder(images).sum().backward()
        _wait(device)
    per_image = (time.monotonic() - began) / (ROUNDS * IMAGES)
    return OVER_ENCODER * per_image * training_images * config["pretrain"]["epochs"]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
