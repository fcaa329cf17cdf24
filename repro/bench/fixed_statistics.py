"""The online network with its batch statistics as constants, so that other libraries can take one image's gradient."""

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.pretrain.byol import Byol


class Constant(nn.Module):
    """What a BatchNorm does to the two views of an image, each view with the statistics of its own batch.

    Args:
        norm: the BatchNorm.
        views: what went into it in each view, `[2, B, C, ...]`.

    Maps `[..., 2, C, ...]`, both views of one image or of several, to the same shape.
    """

    def __init__(self, norm: _BatchNorm, views: torch.Tensor) -> None:
        super().__init__()
        reduced = [dim for dim in range(views.ndim) if dim not in (0, 2)]
        variance, mean = (x[:, 0] for x in torch.var_mean(views, reduced, unbiased=False, keepdim=True))
        weight, bias = (p.detach().view(-1, *[1] * (views.ndim - 3)) for p in (norm.weight, norm.bias))
        self.scale = weight * torch.rsqrt(variance + norm.eps)
        self.shift = bias - mean * self.scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale and shift."""
        return x * self.scale + self.shift


def online(model: Byol, tier: str, first: torch.Tensor, second: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    """Return the online network from a tier's lowest layer on, and what a batch's images put into that.

    Args:
        model: the networks.
        tier: "last", "heads" or "full".
        first, second: the batch's views `[B, 3, H, W]`, whose statistics become the constants.

    Returns:
        A network that maps both views of an image, `[2, ...]`, to p `[2, P]`, whose every parameter is of the tier;
        and its inputs `[B, 2, ...]`.
    """
    assert model.predictor is not None
    parts = {"encoder": model.encoder, "projector": model.projector, "predictor": model.predictor}
    copied = copy.deepcopy(nn.ModuleDict(parts)).to(memory_format=torch.contiguous_format)  # else vmap falls back
    seen: dict[str, list[torch.Tensor]] = {name: [] for name, _ in copied.named_modules()}
    hooks = [
        module.register_forward_hook(lambda _, x, __, name=name: seen[name].append(x[0].clone()))
        for name, module in copied.named_modules()
    ]
    whole = nn.Sequential(copied["encoder"], copied["projector"], _Output(), copied["predictor"], _Output())
    with torch.no_grad():
        for view in (first, second):
            whole(view)
    for hook in hooks:
        hook.remove()
    for name, norm in list(copied.named_modules()):
        if isinstance(norm, _BatchNorm):
            parent, _, child = name.rpartition(".")
            setattr(copied.get_submodule(parent), child, Constant(norm, torch.stack(seen[name])))
    last = copied.get_submodule("predictor.last")
    network, lowest = {
        "last": (nn.Sequential(last), "predictor.last"),
        "heads": (whole[1:], "projector"),
        "full": (whole, "encoder"),
    }[tier]
    return network, torch.stack(seen[lowest], dim=1)


class _Output(nn.Module):
    """Of what a head gives, the output without the input of its last layer."""

    def forward(self, given: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return given[0]
