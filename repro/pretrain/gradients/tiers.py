"""Which layers of a network a tier of TracIn covers, and what it leaves out.

Covered are Linear layers and convolutions whose inputs and outputs have one row per image. Left out [us]: the scales
and shifts of normalisation, embeddings and other bare parameters, and layers with a computation of their own, such as
standardised weights, padding inside the layer, or attention over windows that are cut out of images.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from repro.pretrain.encoder import Encoder

IMAGES = 2
"""Images that are passed through an encoder to see what its layers get."""


@dataclass(frozen=True)
class Coverage:
    """What of a network a tier covers.

    Args:
        layers: name -> layer.
        left_out: what it leaves out -> how many parameters that has.
    """

    layers: dict[str, nn.Module]
    left_out: dict[str, int]

    def facts(self) -> dict[str, Any]:
        """Return what is recorded of it."""
        covered = sum(parameter.numel() for layer in self.layers.values() for parameter in layer.parameters())
        total = covered + sum(self.left_out.values())
        return {"layers": len(self.layers), "parameters": covered, "of": total, "left_out": self.left_out}

    def __str__(self) -> str:
        facts = self.facts()
        left = ", ".join(f"{what} ({count:,})" for what, count in self.left_out.items()) or "nothing"
        share = facts["parameters"] / max(1, facts["of"])
        return f"{facts['layers']} layers with {share:.1%} of the encoder's parameters; left out: {left}"


def coverage(network: nn.Module) -> Coverage:
    """Return which layers of a network TracIn covers.

    Args:
        network: an `Encoder` that knows its image size, so that images can be passed through it; of another one every
            layer that can be covered is taken to be.
    """
    layers: dict[str, nn.Module] = {
        name: module for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    }
    reasons = {name: why for name, layer in layers.items() if (why := _own_computation(layer))}
    if isinstance(network, Encoder) and network.size is not None:
        reasons = _seen(network, layers) | reasons
    covered = {name: layer for name, layer in layers.items() if name not in reasons}
    left: Counter[str] = Counter()
    for name, module in network.named_modules():
        for parameter_name, parameter in module.named_parameters(recurse=False):
            if name not in covered:
                left[_told(name, module, parameter_name, reasons)] += parameter.numel()
    return Coverage(covered, dict(left))


def _own_computation(layer: nn.Module) -> str:
    """Return why a layer's gradient is no sum of outer products of what goes in and comes out; empty if it is."""
    kind = nn.Linear if isinstance(layer, nn.Linear) else nn.Conv2d
    if type(layer).forward is not kind.forward or parametrize.is_parametrized(layer):
        return "a computation of its own"
    if isinstance(layer, nn.Conv2d):
        if type(layer)._conv_forward is not nn.Conv2d._conv_forward:
            return "a computation of its own"
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            return "another padding than zeros"
    return ""


@torch.no_grad()
def _seen(encoder: Encoder, layers: dict[str, nn.Module]) -> dict[str, str]:
    """Return, of the layers that cannot be covered, what is in the way when images pass through."""
    rows: dict[str, set[int]] = {name: set() for name in layers}
    hooks = [
        layer.register_forward_hook(
            lambda _, inputs, output, name=name: rows[name].update((len(inputs[0]), len(output)))
        )
        for name, layer in layers.items()
    ]
    was, like, size = encoder.training, next(encoder.parameters()), encoder.size
    assert size is not None
    try:
        encoder.eval()(torch.zeros(IMAGES, 3, size, size, dtype=like.dtype, device=like.device))
    finally:
        encoder.train(was)
        for hook in hooks:
            hook.remove()
    reasons = {frozenset[int](): "its weight is used elsewhere", frozenset({IMAGES}): ""}
    found = {name: reasons.get(frozenset(seen), "not one row per image") for name, seen in rows.items()}
    return {name: why for name, why in found.items() if why}


def _told(name: str, module: nn.Module, parameter: str, reasons: dict[str, str]) -> str:
    if name in reasons:
        return f"{type(module).__name__}, {reasons[name]}"
    return type(module).__name__ if parameter in ("weight", "bias") else parameter
