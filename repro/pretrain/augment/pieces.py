"""A batch in pieces that stay in a CPU's cache while several operations pass over them."""

from collections.abc import Iterator

import torch

NUMBERS = 2**18
"""In a piece, 1 MB of float32. [us]"""


def pieces(images: torch.Tensor, *of_images: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield some images `[b, ...]` at a time and what belongs to them, as views; on a GPU all at once.

    Args:
        images: `[B, ...]`.
        of_images: tensors with a row per image.
    """
    at_once = len(images) if images.is_cuda else max(1, NUMBERS // images[0].numel())
    return zip(*(x.split(at_once) for x in (images, *of_images)), strict=True)
