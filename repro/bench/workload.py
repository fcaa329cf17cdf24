"""What the benchmarks train on noise: on a CPU the networks of the scale medmnist, on a GPU those of paper."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.execution.procedure import device_of
from repro.pretrain.trainer import Trainer
from repro.progress import Progress

DEVICE = device_of(resolve([]))
ON_GPU = DEVICE.type == "cuda"

SCALE = "paper" if ON_GPU else "medmnist"
SIZES = (112,) if ON_GPU else (28, 64)
"""Image sizes in pixels at which a step is measured; 28 is the scale's own."""

BATCH = 256
"""Images a step, as the scale paper has them."""


class Workload:
    """A trainer, and two views of noise that lie on the device.

    Args:
        method: named config.
        size: of the images, in pixels.
        settings: further settings.
        batch: images a step.
        steps: batches in an epoch.
    """

    def __init__(
        self, method: str, size: int, settings: Mapping[str, Any] | None = None, batch: int = BATCH, steps: int = 1
    ) -> None:
        chosen = {**(settings or {}), "data.size": size, "pretrain.batch_size": batch}
        self.config = resolve([method, SCALE], chosen)
        self.images = noise(batch * steps, size)
        self.trainer = Trainer(self.images, self.config, DEVICE, ())
        self.trainer.begin_epoch(self.config["pretrain"]["epochs"] - 1)  # the partners' loss at its full weight
        self.first, self.second = torch.randn(2, batch, 3, size, size, device=DEVICE)
        self.members = self.trainer.members(torch.arange(batch, device=DEVICE))

    def step(self, number: int = 0) -> dict[str, torch.Tensor]:
        """Train one step on the two views; return its losses."""
        return self.trainer.step(self.first, self.second, self.members, number)

    def epoch(self) -> None:
        """Train an epoch, from stored pixels to metrics."""
        with Progress("", self.trainer.batches, shown=False) as progress:
            self.trainer.train_epoch(0, progress)


def noise(images: int, size: int) -> ImageSet:
    """Return so many training images of two classes; what takes time does not depend on what they show."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    split = np.full(images, "train")
    return ImageSet("noise", pixels, np.arange(images) % 2, split, ("a", "b"), stored_sha256="none")
