"""Corruptions of images for restoration: boxes, shuffled pixels, noise, other images.

Everything is drawn for the whole batch, so each image gets the same however many processes share it.
"""

import torch

from repro.pretrain import processes

LOW, HIGH = -2.0, 2.0
"""Range of normalised pixels."""


def drawn(own: int, *shape: int, device: torch.device) -> torch.Tensor:
    """Return uniform numbers in [0, 1) for this process's `own` images, `[own, *shape]`."""
    batch = own * processes.count()
    return torch.rand(batch, *shape, device=device)[processes.share(batch)]


def noise_like(images: torch.Tensor) -> torch.Tensor:
    """Return pixels of any colour, each as likely."""
    return LOW + (HIGH - LOW) * drawn(len(images), *images.shape[1:], device=images.device).to(images.dtype)


def box(own: int, side: int, sizes: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return a box of each image, bool `[own, side, side]`.

    Args:
        own: number of images.
        side: height and width of the grid.
        sizes: least and greatest height and width of a box.
    """
    low, high = sizes
    u = drawn(own, 4, device=device)
    length = low + (u[:, :2] * (high - low + 1)).floor()
    start = (u[:, 2:] * (side - length + 1)).floor()
    place = torch.arange(side, device=device)
    inside = (place >= start[..., None]) & (place < (start + length)[..., None])  # [own, 2, side]
    return inside[:, 0, :, None] & inside[:, 1, None, :]


def boxes(own: int, side: int, number: int, sizes: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return the union of `number` boxes of each image; see `box`."""
    return torch.stack([box(own, side, sizes, device) for _ in range(number)]).any(dim=0)


def boxes_over(own: int, side: int, share: float, device: torch.device) -> torch.Tensor:
    """Return boxes that cover at least `share` of each image's grid, and hardly more; bool `[own, side, side]`.

    A box is at most half as high and as wide as the grid.
    """
    sizes = (1, max(1, side // 2))
    covered = torch.zeros(own, side, side, dtype=torch.bool, device=device)
    for _ in range(8 * side):  # each of them adds something to most images
        more = covered.float().mean(dim=(1, 2)) < share
        covered |= box(own, side, sizes, device) & more[:, None, None]
    return covered


def shuffled(images: torch.Tensor, block: int, share: float) -> torch.Tensor:
    """Return images whose pixels have changed places within some square blocks.

    Args:
        images: `[B, C, S, S]`.
        block: side of a block in pixels; what is left at the right and below stays.
        share: of the blocks, whose pixels change places.
    """
    n, channels, side, _ = images.shape
    count = side // block
    inner = images[:, :, : count * block, : count * block]
    cut = inner.reshape(n, channels, count, block, count, block).permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)
    order = drawn(n, count**2, block**2, device=images.device).argsort(dim=-1)
    stays = drawn(n, count**2, 1, device=images.device) >= share
    order = torch.where(stays, torch.arange(block**2, device=images.device), order)
    moved = cut.gather(3, order[:, :, None].expand(-1, -1, channels, -1))
    moved = moved.reshape(n, count, count, channels, block, block).permute(0, 3, 1, 4, 2, 5)
    found = images.clone()
    found[:, :, : count * block, : count * block] = moved.reshape(inner.shape)
    return found
