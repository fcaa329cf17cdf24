"""What a library gives: a network without its classifier, and what has to be known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Backbone:
    """A network without its classifier.

    Args:
        library: "torchvision" or "timm".
        network: maps `[B, 3, H, W]` to pooled features `[B, D]`.
        features: D; None where only a forward pass tells.
        classifier: names of the layers that were taken away; the library's weights hold more keys below them.
        size: height and width of the images that the library made it for, in pixels.
        patch: height and width of a token's patch, in pixels; None for a network without tokens.
        prefix: tokens before those of the patches, such as a class token.
        made_with: the arguments of the library's function that makes it, beside its name.
    """

    library: str
    network: nn.Module
    features: int | None
    classifier: tuple[str, ...]
    size: int = 224
    patch: int | None = None
    prefix: int = 0
    made_with: Mapping[str, Any] = field(default_factory=dict)
