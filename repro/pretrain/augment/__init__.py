"""The two views of BYOL (Grill et al. 2020, appendix B), for whole batches at once, on any device."""

from typing import Any

import torch
from kornia import augmentation as K
from torch import nn

from repro.errors import InputError
from repro.pretrain.augment.blur import Blur, in_proportion
from repro.pretrain.augment.crop import Crop
from repro.pretrain.augment.jitter import LUMA, Jitter
from repro.pretrain.augment.some import Some
from repro.pretrain.encoder import normalized


class TwoViews(nn.Module):
    """Draw view 1 and view 2 of every image; each image has parameters of its own.

    Args:
        size: height and width of the views, in pixels.
        settings: the `augment` settings.

    Input float `[B, 3, H, W]` in [0, 1], this process's share; output two normalised tensors of shape
    `[B, 3, size, size]`. Parameters are drawn for the whole batch, so each image gets the same ones however many
    processes there are.
    """

    def __init__(self, size: int, settings: dict[str, Any]) -> None:
        super().__init__()
        self.first, self.second = (_chain(size, settings, view) for view in (0, 1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (view 1, view 2)."""
        return self.one(images, 0), self.one(images, 1)

    def one(self, images: torch.Tensor, view: int) -> torch.Tensor:
        """Return one view of every image, drawn as view 1 (`view` 0) or view 2 (1)."""
        return normalized((self.first, self.second)[view](images))


class LightViews(nn.Module):
    """The augmentation of fine-tuning: a mild crop and a flip. [us]

    Input float `[B, 3, H, W]` in [0, 1]; output normalised `[B, 3, size, size]`.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.chain = nn.Sequential(Some(1.0, Crop((size, size), (0.6, 1.0))), Some(0.5, K.RandomHorizontalFlip(p=1.0)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one view."""
        return normalized(self.chain(images))


def _chain(size: int, settings: dict[str, Any], view: int) -> nn.Sequential:
    kernel, sigma = in_proportion(size)
    brightness, contrast, saturation, hue = settings["jitter"]
    low, high = settings["crop"]
    if low > high:
        raise InputError(f"augment.crop={settings['crop']} must be [smallest, largest] area")
    steps = [
        Some(settings["flip"], K.RandomHorizontalFlip(p=1.0)),
        Some(settings["jitter_prob"], Jitter(brightness, contrast, saturation, hue)),
        Some(settings["grey"], K.RandomGrayscale(torch.tensor(LUMA), p=1.0)),
        Some(settings["blur"][view], Blur((kernel, kernel), sigma, p=1.0)),
        Some(settings["solarize"][view], K.RandomSolarize((0.5, 0.5), (0.0, 0.0), p=1.0)),
    ]
    # One that never happens would still cost time. The crop is first, so that what changes in place is its.
    return nn.Sequential(Some(1.0, Crop((size, size), (low, high))), *(step for step in steps if step.probability > 0))
