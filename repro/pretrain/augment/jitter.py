"""Colour jitter as kornia draws it, in closed form: a third of the time of going through HSV images."""

from typing import Any

import torch
from kornia.augmentation import ColorJitter

from repro.pretrain.augment.pieces import pieces

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


class Jitter(ColorJitter):
    """Brightness, contrast, saturation and hue of each image, in one random order per batch.

    Parameters are drawn by kornia and mean what they mean there: brightness multiplies, contrast blends with the mean
    grey, saturation with the grey image, hue turns the colour circle with HSV's saturation and value kept. The result
    equals kornia's up to rounding. Nothing here waits for the device.
    """

    def apply_transform(
        self, input: torch.Tensor, params: dict[str, torch.Tensor], flags: dict[str, Any], transform: Any = None
    ) -> torch.Tensor:
        """Return images `[B, 3, H, W]` in [0, 1], changed by the parameters."""
        result = input.clamp(0, 1)
        factors = [params[f"{name}_factor"].to(result).view(-1, 1, 1, 1) for name in _STEPS]
        steps = list(_STEPS.values())
        for images, *of_images in pieces(result, *factors):
            for step in params["order"].tolist():
                steps[step](images, of_images[step])
        return result


def _brighten(images: torch.Tensor, factor: torch.Tensor) -> None:
    images.mul_(factor).clamp_(0, 1)


def _contrast(images: torch.Tensor, factor: torch.Tensor) -> None:
    mean = _grey(images.mean(dim=(2, 3), keepdim=True))
    images.mul_(factor).add_(mean * (1 - factor)).clamp_(0, 1)


def _saturate(images: torch.Tensor, factor: torch.Tensor) -> None:
    grey = _grey(images) * (1 - factor)
    images.mul_(factor).add_(grey).clamp_(0, 1)


def _turn(images: torch.Tensor, turns: torch.Tensor) -> None:
    """Turn hues by `turns`, in (-1, 1).

    A colour with hue h (in sixths of the circle), value v and chroma c has the channels v - c f(n + h), n being 5, 3, 1
    for red, green, blue, and f(k) = max(0, min(k, 4 - k, 1)) with period 6 (Smith 1978): c times a trapezoid around 2.
    """
    red, green, blue = images.unbind(dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    scale = chroma.clamp_min(torch.finfo(chroma.dtype).tiny).reciprocal_()
    # Which channel is the largest decides; lerp chooses here, since torch.where is ten times as slow on a CPU.
    hue = ((red - green) * scale).add_(4)
    hue.lerp_((blue - red).mul_(scale).add_(2), (value == green).to(hue))
    hue.lerp_((green - blue).mul_(scale), (value == red).to(hue))
    hue += 6 * turns[:, 0]
    around = torch.stack([hue + 3, hue + 1, hue - 1], dim=1)  # from 2, the middle of the trapezoid
    around.sub_((around / 6).round_(), alpha=6).abs_().clamp_(1, 2)
    torch.addcmul((value - 2 * chroma)[:, None], around, chroma[:, None], out=images)


def _grey(images: torch.Tensor) -> torch.Tensor:
    red, green, blue = images.split(1, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


_STEPS = {"brightness": _brighten, "contrast": _contrast, "saturation": _saturate, "hue": _turn}
"""In kornia's order, to which its `order` refers. Each changes images in place."""
