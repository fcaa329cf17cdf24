"""What goes into layers, and each image's own gradient at what comes out of them, for a whole batch at once.

In train mode BatchNorm makes every image's loss depend on all the others, so "the gradient of one image" needs a
definition. Ours: the batch's statistics are constants [us]. A backward pass through BatchNorm then only scales, images
stay apart, and the gradient of the summed losses holds each image's own in its own row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from repro.pretrain import processes
from repro.pretrain.precision import exact


@dataclass(frozen=True)
class LayerGradients:
    """One layer's share of a backward pass; one entry per use of the layer, that is per view.

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
        self._uses: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        self._hooks: list[RemovableHandle] = []
        self.constant_statistics = False

    def __enter__(self) -> "Tape":
        self._uses = {name: [] for name in self._layers}
        self._hooks = [norm.register_forward_hook(self._lay_switch) for norm in self._norms]
        for name, layer in self._layers.items():
            self._hooks.append(layer.register_forward_hook(self._recorder(name)))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def gradients(self, loss: torch.Tensor, uses: int) -> list[LayerGradients]:
        """Return what went into each layer and the gradients of `loss` at what came out.

        Args:
            loss: the sum of the images' losses; the graph stays, for training.
            uses: how many uses of each layer, from the first on, the loss depends on.
        """
        outputs = [output for recorded in self._uses.values() for _, output in recorded[:uses]]
        self.constant_statistics = True
        try:
            gradients = iter(torch.autograd.grad(loss, outputs, retain_graph=True))
        finally:
            self.constant_statistics = False
        found = []
        for name, recorded in self._uses.items():
            inputs = [given for given, _ in recorded[:uses]]
            found.append(LayerGradients(name, self._layers[name], inputs, [next(gradients) for _ in inputs]))
        self._uses = {}
        return found

    def _recorder(self, name: str) -> Any:
        def record(_layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            self._uses[name].append((inputs[0].detach(), output))

        return record

    def _lay_switch(self, norm: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> Any:
        in_training = norm.training and output.requires_grad
        return _Switch.apply(inputs[0], output, norm, self) if in_training else output


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
