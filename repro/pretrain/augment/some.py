"""An augmentation for some of the images."""

from typing import Any

import torch
from torch import nn

from repro.pretrain import processes

OF_THE_BATCH = ("order", "forward_input_shape")
"""Of kornia's parameters those that all images share; the others have one row per image."""


class Some(nn.Module):
    """Apply an augmentation to some of the images, each with parameters of its own.

    kornia, given a probability, applies it to all images and then picks; on a CPU only those chosen are worth passing.

    Args:
        probability: of each image.
        augmentation: kornia's, made for p=1.

    Images `[B, 3, H, W]` are this process's share, and change in place where they are not all chosen.
    """

    def __init__(self, probability: float, augmentation: Any) -> None:
        super().__init__()
        assert augmentation.p == 1
        self.probability, self.augmentation = probability, augmentation

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the images, some of them changed."""
        batch = len(images) * processes.count()
        own = processes.share(batch)
        drawn = self.augmentation.forward_parameters(torch.Size((batch, *images.shape[1:])))
        drawn = _rows(drawn, own)
        if self.probability == 1:
            return self.augmentation(images, params=drawn)
        chosen = (torch.rand(batch, device=images.device) < self.probability)[own]
        if images.is_cuda:  # it does not wait to learn how many there are
            return torch.where(chosen[:, None, None, None], self.augmentation(images, params=drawn), images)
        if chosen.any():
            images[chosen] = self.augmentation(images[chosen], params=_rows(drawn, chosen))
        return images


def _rows(drawn: dict[str, torch.Tensor], images: slice | torch.Tensor) -> dict[str, torch.Tensor]:
    return {name: x if name in OF_THE_BATCH else x[images] for name, x in drawn.items()}
