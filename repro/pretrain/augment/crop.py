"""Crop and resize as kornia draws it, with the sampling grid at once: half the time of going through matrices."""

from typing import Any

import torch
from kornia.augmentation import RandomResizedCrop
from torch.nn import functional as F


class Crop(RandomResizedCrop):
    """Cut a box out of each image and resize it bilinearly, the corners' pixels staying at the corners.

    The result is kornia's with cropping_mode="resample", up to rounding.

    Args:
        size: height and width of what comes out, in pixels.
        scale: smallest and largest area of the box, as a fraction of the image's.
    """

    def __init__(self, size: tuple[int, int], scale: tuple[float, float]) -> None:
        super().__init__(size, scale=scale)

    def apply_transform(
        self, input: torch.Tensor, params: dict[str, torch.Tensor], flags: dict[str, Any], transform: Any = None
    ) -> torch.Tensor:
        """Return the boxes `params["src"]` `[B, 4, 2]` of images `[B, C, H, W]`: x and y, clockwise from top left."""
        first, last = (params["src"][:, corner].to(input) for corner in (0, 2))
        height, width = flags["size"]

        def along(axis: int, pixels: int, of: int) -> torch.Tensor:
            """Return where to sample along an axis, `[B, pixels]` in [-1, 1]."""
            at = torch.linspace(0, 1, pixels, device=input.device, dtype=input.dtype)
            return torch.lerp(first[:, [axis]], last[:, [axis]], at) * 2 / max(1, of - 1) - 1

        x, y = along(0, width, input.shape[3]), along(1, height, input.shape[2])
        grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
        return F.grid_sample(input, grid, align_corners=True)
