"""Whether a network takes images of a size: found by passing one through it."""

import dataclasses
from collections.abc import Callable, Sequence

import torch

from repro.errors import InputError
from repro.pretrain.backbones.backbone import Backbone

LEAST_GRID = 7
"""Patches in a row that a suggested patch size leaves at least. [us]"""

REFUSALS = (AssertionError, RuntimeError, ValueError, ZeroDivisionError)
"""What libraries raise where an image is too small for a network, or of a size that it cannot cut."""


def fitted(arch: str, attempts: Sequence[Callable[[], Backbone]], size: int | None) -> Backbone:
    """Return the first of several forms of a network that takes the images, with its features counted.

    Args:
        arch: what the network is called.
        attempts: each makes one form.
        size: height and width of the images; None for what the library made the network for.

    Raises:
        InputError: none takes them. The message is about the first.
    """
    refused: InputError | None = None
    for attempt in attempts:
        try:
            return _tried(arch, attempt(), size)
        except TypeError:  # the network has no such form
            if refused is None:
                raise
            break
        except REFUSALS as error:
            refused = refused or _refusal(arch, size, error)
    assert refused is not None
    raise refused


@torch.no_grad()
def _tried(arch: str, backbone: Backbone, size: int | None) -> Backbone:
    """Return the backbone with its number of features, and with a patch size only if it has a token per patch."""
    network, patch, side = backbone.network, backbone.patch, size or backbone.size
    if patch is not None and side % patch:
        raise InputError(
            f"encoder.arch={arch} cuts images into patches of {patch} px, which do not divide data.size={side}"
            f"{_suggestion(side)}"
        )
    image = torch.zeros(1, 3, side, side)
    features = network.eval()(image)
    if patch is not None:
        seen = network.forward_features(image)  # type: ignore[operator]
        if seen.shape[1:-1] != ((side // patch) ** 2 + backbone.prefix,):
            patch = None  # a map of features, or tokens that stand for more than a patch
    network.train()
    return dataclasses.replace(backbone, features=int(features.shape[1]), patch=patch)


def _suggestion(side: int) -> str:
    fit = [patch for patch in range(2, side // LEAST_GRID + 1) if side % patch == 0]
    return f"; set encoder.patch={fit[-1]}" if fit else "; take another data.size"


def _refusal(arch: str, size: int | None, error: Exception) -> InputError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return InputError(f"encoder.arch={arch} cannot take images of data.size={size} ({reason}); take larger ones")
