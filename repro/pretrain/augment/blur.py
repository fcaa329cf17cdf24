"""Gaussian blur as kornia draws it, tap by tap: a third of the time of a convolution with kernels per image."""

import math
from typing import Any

import torch
from kornia.augmentation import RandomGaussianBlur
from torch.nn import functional as F

from repro.pretrain.augment.pieces import pieces


class Blur(RandomGaussianBlur):
    """Blur each image with a Gaussian of its own width; the border reflects. The result is kornia's up to rounding."""

    def apply_transform(
        self, input: torch.Tensor, params: dict[str, torch.Tensor], flags: dict[str, Any], transform: Any = None
    ) -> torch.Tensor:
        """Return images `[B, C, H, W]`, blurred along both axes with kernels of the size in `flags`."""
        sigma, result = params["sigma"].to(input), torch.empty_like(input)
        height, width = flags["kernel_size"]
        for images, of_images, into in pieces(input, sigma, result):
            into.copy_(_blurred(_blurred(images, _weights(of_images, height), 2), _weights(of_images, width), 3))
        return result


def in_proportion(size: int) -> tuple[int, tuple[float, float]]:
    """Return the kernel's size and the range of sigma, in pixels, for images of so many pixels along a side.

    BYOL blurs 224 px images with a kernel of 23 and a sigma up to 2; smaller images in proportion. [us]
    """
    return max(3, 2 * math.ceil(size / 20) - 1), (0.1 * size / 224, 2.0 * size / 224)


def _weights(sigma: torch.Tensor, size: int) -> torch.Tensor:
    """Return the Gaussian at the offsets 0 to size // 2, `[size // 2 + 1, B, 1, 1, 1]`; the whole kernel's sum is 1."""
    offsets = torch.arange(size // 2 + 1, device=sigma.device, dtype=sigma.dtype)
    half = torch.exp(-((offsets[:, None] / sigma) ** 2) / 2)
    return (half / (2 * half.sum(dim=0) - half[0]))[..., None, None, None]


def _blurred(images: torch.Tensor, weights: torch.Tensor, dim: int) -> torch.Tensor:
    radius, length = len(weights) - 1, images.shape[dim]
    border = (radius, radius, 0, 0) if dim == 3 else (0, 0, radius, radius)
    padded = F.pad(images, border, mode="reflect")
    result = images * weights[0]
    for offset in range(1, radius + 1):
        both = padded.narrow(dim, radius - offset, length) + padded.narrow(dim, radius + offset, length)
        result.addcmul_(both, weights[offset])
    return result
