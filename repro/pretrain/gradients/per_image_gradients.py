"""Inputs of layers and per-image gradients at their outputs, for a whole batch at once.

In train mode BatchNorm makes every image's loss depend on all the others, so "the gradient of one image" needs a
definition. Ours: the batch's statistics are constants [us]. A backward pass through BatchNorm then only scales, images
stay apart, and the gradient of the summed losses holds each image's own in its own row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from repro.errors import InputError
from repro.pretrain import processes
from repro.pretrain.precision import exact


@dataclass(frozen=True)
class LayerGradients:
    """One layer's share of a backward pass; one entry per use of the layer: per view, and per call in a forward pass.

    Args:
        name: the layer's name in the network.
        layer: the layer.
        inputs: what went in, `[B, ...]` each.
        gradients: the gradient of each image's loss at what came out, `[B, ...]` each.
    """

    name: str
    layer: nn.Module
    inputs: list[torch.Tensor]
    gradients: list[torch.Tensor]


class Tape:
    """A context: forward passes inside it can afterwards be asked for gradients with constant batch statistics.

    Training is not touched: outside of `gradients` a backward pass takes BatchNorm's ordinary way.

    Args:
        layers: name -> layer whose inputs and output gradients are wanted.
        norms: every BatchNorm that lies between one of them and the losses.
    """

    def __init__(self, layers: Mapping[str, nn.Module], norms: Iterator[nn.Module]) -> None:
        self._layers, self._norms = dict(layers), list(norms)
        self._uses: dict[str, list[tuple[torch.Tensor, GradientEdge]]] = {}
        self._hooks: list[RemovableHandle] = []
        self.constant_statistics = False

    def __enter__(self) -> "Tape":
        self._uses = {name: [] for name in self._layers}
        self._hooks = [hook for norm in self._norms for hook in self._switched(norm)]
        for name, layer in self._layers.items():
            self._hooks.append(layer.register_forward_hook(self._recorder(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def gradients(self, loss: torch.Tensor, passes: int) -> list[LayerGradients]:
        """Return what went into each layer and the gradients of `loss` at what came out.

        Args:
            loss: the sum of the images' losses; the graph stays, for training.
            passes: how many of the two forward passes, from the first on, the loss depends on.
        """
        uses = {name: recorded[: len(recorded) * passes // 2] for name, recorded in self._uses.items()}
        outputs = [output for recorded in uses.values() for _, output in recorded]
        self.constant_statistics = True
        try:
            gradients = iter(torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True))
        finally:
            self.constant_statistics = False
        found = []
        for name, recorded in uses.items():
            reached = [(given, gradient) for given, _ in recorded if (gradient := next(gradients)) is not None]
            if reached:
                found.append(LayerGradients(name, self._layers[name], *map(list, zip(*reached, strict=True))))
        self._uses = {}
        return found

    def _recorder(self, name: str) -> Any:
        def record(_layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if output.requires_grad:
                # Not the tensor: an activation may go on to change it in place.
                self._uses[name].append((inputs[0].detach(), get_gradient_edge(output)))

        return record

    def _switched(self, norm: nn.Module) -> list[RemovableHandle]:
        """Lay the switch behind a BatchNorm: at its output, or before the activation that some of timm's go on to."""

        def lay(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return _Switch.apply(x, y, norm, self) if norm.training and y.requires_grad else y

        if not activates(norm):
            if type(norm).forward not in (_BatchNorm.forward, processes.WholeBatchNorm.forward):
                raise InputError(f"TracIn cannot look past a {type(norm).__name__}; set tracin.layers=last")
            return [norm.register_forward_hook(lambda _, inputs, output: lay(inputs[0], output))]
        entered: list[torch.Tensor] = []
        return [
            norm.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0])),
            norm.get_submodule("drop").register_forward_pre_hook(lambda _, inputs: (lay(entered.pop(), inputs[0]),)),
        ]


def activates(norm: nn.Module) -> bool:
    """Whether a BatchNorm is one of timm's, which passes what it made on to its children `drop` and `act`."""
    return {"drop", "act"} <= {name for name, _ in norm.named_children()}


class _Switch(torch.autograd.Function):
    """BatchNorm's output; its gradient goes back through BatchNorm, or past it with the statistics held constant."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, y: torch.Tensor, norm: _BatchNorm, tape: Tape) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.norm, ctx.tape = norm, tape
        ctx.mark_dirty(y)  # the same tensor goes on, so that an in-place activation may follow
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        if not ctx.tape.constant_statistics:
            return None, gradient, None, None
        (x,) = ctx.saved_tensors
        scale = torch.rsqrt(processes.variance(exact(x)) + ctx.norm.eps)
        if ctx.norm.affine:
            scale = ctx.norm.weight.detach() * scale
        return gradient * scale.view(1, -1, *[1] * (x.ndim - 2)).to(gradient.dtype), None, None, None
