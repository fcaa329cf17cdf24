"""The two views of BYOL (Grill et al. 2020, appendix B), for whole batches at once, on any device."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from kornia import augmentation as K
from torch import nn

from repro.errors import InputError
from repro.pretrain import processes
from repro.pretrain.blur import Blur
from repro.pretrain.encoder import normalized
from repro.pretrain.jitter import LUMA, Jitter

OF_THE_BATCH = ("order", "forward_input_shape")
"""Of kornia's parameters those that all images share; the others have one row per image."""

FEW = 0.5
"""Below this probability a CPU passes the chosen images alone; kornia passes all of them, and then picks."""


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
        return normalized(_applied(self.first, images)), normalized(_applied(self.second, images))


def _applied(steps: Iterable[Any], images: torch.Tensor) -> torch.Tensor:
    batch = len(images) * processes.count()
    own = processes.share(batch)
    for step in steps:
        drawn = step.forward_parameters(torch.Size((batch, *images.shape[1:])))
        drawn = {k: v if k in OF_THE_BATCH else v[own] for k, v in drawn.items()}
        if step.p < FEW and not images.is_cuda:
            chosen = drawn["batch_prob"] > 0.5
            of_chosen = {k: v if k in OF_THE_BATCH else v[chosen] for k, v in drawn.items()}
            if chosen.any():
                images[chosen] = step(images[chosen], params=of_chosen)
        else:
            images = step(images, params=drawn)
    return images


def _chain(size: int, settings: dict[str, Any], view: int) -> nn.ModuleList:
    brightness, contrast, saturation, hue = settings["jitter"]
    # BYOL blurs 224 px images with a kernel of 23 and a sigma up to 2; smaller images in proportion. [us]
    kernel, sigma = max(3, 2 * math.ceil(size / 20) - 1), (0.1 * size / 224, 2.0 * size / 224)
    low, high = settings["crop"]
    if low > high:
        raise InputError(f"augment.crop={settings['crop']} must be [smallest, largest] area")
    steps = [
        K.RandomResizedCrop((size, size), scale=(low, high), cropping_mode="resample"),
        K.RandomHorizontalFlip(settings["flip"]),
        Jitter(brightness, contrast, saturation, hue, p=settings["jitter_prob"]),
        K.RandomGrayscale(torch.tensor(LUMA), p=settings["grey"]),
        Blur((kernel, kernel), sigma, p=settings["blur"][view]),
        K.RandomSolarize((0.5, 0.5), (0.0, 0.0), p=settings["solarize"][view]),
    ]
    return nn.ModuleList(step for step in steps if step.p > 0)  # one that never happens still costs time


class LightViews(nn.Module):
    """The augmentation of fine-tuning: a mild crop and a flip. [us]

    Input float `[B, 3, H, W]` in [0, 1]; output normalised `[B, 3, size, size]`.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.chain = nn.Sequential(
            K.RandomResizedCrop((size, size), scale=(0.6, 1.0), cropping_mode="resample"),
            K.RandomHorizontalFlip(0.5),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one view."""
        return normalized(self.chain(images))
