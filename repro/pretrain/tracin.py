"""Pairwise TracIn inside a batch (Pruthi et al. 2020): dot products or cosines of per-image loss gradients.

K_ij = grad l_i . grad l_j over a set of parameters, the tier: `last`, the final layer of the predictor (without one, of
the projector); `heads`, every Linear layer of projector and predictor; `full`, these and the encoder's Linear layers
and convolutions. `tiers` says what is left out, such as BatchNorm's own scale and shift [us]. The learning rate is
common to a row and left out: it never changes which j is largest.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.pretrain import processes
from repro.pretrain.byol import Byol, Outputs, image_losses
from repro.pretrain.gradients.gram import gram_products, layer_kernel
from repro.pretrain.gradients.last_layer import LastLayer
from repro.pretrain.gradients.per_image_gradients import Tape
from repro.pretrain.gradients.tiers import coverage

See = Callable[[str, torch.Tensor], None]
"""Called with a layer's name and each image's K_ii `[B]` over it."""

ImageLosses = Callable[[Outputs, int], torch.Tensor]
"""From outputs and a number of views to l_i `[B]`; row i of the outputs' p has a gradient from l_i alone."""


class OnlineTracin:
    """K at the weights that are being trained, from the forward pass that training does anyway.

    Args:
        model: the networks.
        settings: the `tracin` settings.
        losses: what the gradients are of.
    """

    def __init__(self, model: nn.Module, settings: dict[str, Any], losses: ImageLosses = image_losses) -> None:
        self._settings, self._losses = settings, losses
        rooms = {"heads": ("projector", "predictor"), "full": ("encoder", "projector", "predictor")}
        self._tape: Tape | None = None
        if settings["layers"] != "last":
            parts = [(room, part) for room in rooms[settings["layers"]] if (part := getattr(model, room)) is not None]
            layers = {f"{room}.{name}": layer for room, part in parts for name, layer in coverage(part).layers.items()}
            self._tape = Tape(layers, _norms(part for _, part in parts))

    @property
    def goes_back(self) -> bool:
        """Whether the tier needs a backward pass."""
        return self._tape is not None

    def watching(self) -> AbstractContextManager[Any]:
        """Return the context that the forward pass must run in."""
        return contextlib.nullcontext() if self._tape is None else self._tape

    @torch.no_grad()
    def last_layer(self, out: Outputs) -> LastLayer:
        """Return the gradients of the whole batch at the last layer."""
        return last_layer(out, self._settings["views"], self._losses)

    def kernel(self, out: Outputs, first: torch.Tensor, second: torch.Tensor, see: See) -> torch.Tensor:
        """Return K `[B, B]` of the forward pass that made these outputs of two views, of the whole batch.

        Of layers further down than the last each process computes its own images' rows.
        """
        views = self._settings["views"]
        if self._tape is None:
            with torch.no_grad():
                kernel = last_layer_kernel(out, views, self._losses)
            see("the last layer", kernel.diagonal())
            return kernel
        total = torch.zeros(out.p.shape[1], out.p.shape[1], device=out.p.device)
        memory = self._settings["memory_mb"] * 2**20
        for part in self._tape.gradients(self._losses(out, views).sum(), views):
            inputs, gradients = ([processes.gathered(x) for x in xs] for xs in (part.inputs, part.gradients))
            rows = layer_kernel(part.layer, inputs, gradients, memory, processes.share(len(total)))
            kernel = processes.gathered(rows)
            see(part.name, kernel.diagonal())
            total = total + kernel
        return total


class StoredTracin:
    """K at stored checkpoints of a pretraining: TracInCP, the sum over checkpoints of learning rate times K.

    Args:
        checkpoints: (learning rate at the time, networks) pairs. Only the rates' proportions matter.
        settings: the `tracin` settings.
        autocast: makes the context for their forward passes.
    """

    def __init__(
        self,
        checkpoints: Sequence[tuple[float, Byol]],
        settings: dict[str, Any],
        autocast: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self._parts = [(lr, model.train(), OnlineTracin(model, settings)) for lr, model in checkpoints]
        self._largest = max(lr for lr, _ in checkpoints)
        self._autocast = autocast

    def watching(self) -> AbstractContextManager[Any]:
        """Return the context that the forward pass of training must run in: none, it is not looked at."""
        return contextlib.nullcontext()

    def kernel(self, out: Outputs, first: torch.Tensor, second: torch.Tensor, see: See) -> torch.Tensor:
        """Return K `[B, B]` of two views `[B, 3, H, W]`, whatever training made of them."""
        kernels = []
        for number, (lr, model, tracin) in enumerate(self._parts, start=1):
            with torch.set_grad_enabled(tracin.goes_back), tracin.watching(), self._autocast():
                out = model(first, second)

            def seen(name: str, values: torch.Tensor, number: int = number) -> None:
                see(f"{name} of stored checkpoint {number}", values)

            kernels.append(lr / self._largest * tracin.kernel(out, first, second, seen))
        return torch.stack(kernels).sum(dim=0)


def last_layer_kernel(out: Outputs, views: int = 2, losses: ImageLosses = image_losses) -> torch.Tensor:
    """Return K `[B, B]` over the Linear layer that makes p (weight and bias), without a backward pass through networks.

    The layer stands above the last BatchNorm, so the result is exact in train mode: with inputs a and output
    gradients d, K_ij is the sum over the views u, w of (a_i^u . a_j^w + 1)(d_i^u . d_j^w).

    Args:
        out: the batch's outputs.
        views: 2, or 1 for the loss of the first view's prediction alone.
        losses: what the gradients are of.
    """
    gradients = last_layer(out, views, losses)
    with torch.autocast(out.p.device.type, enabled=False):  # Gram products in float32
        return gram_products(gradients.a, gradients.d, bias=True)


def last_layer(out: Outputs, views: int = 2, losses: ImageLosses = image_losses) -> LastLayer:
    """Return each image's gradient at the Linear layer that makes p; arguments as of `last_layer_kernel`."""
    d = output_gradients(out) if losses is image_losses else _gradients_at_output(losses, out, views)
    return LastLayer(out.a[:views], d[:views])


def output_gradients(out: Outputs) -> torch.Tensor:
    """Return dl_i/dp for both views, `[2, B, P]`: -2/|p| (t^ - (p^ . t^) p^), t being the other view's target."""
    norm = out.p.norm(dim=-1, keepdim=True)
    p = out.p / norm
    t = torch.nn.functional.normalize(out.t.flip(0), dim=-1)
    return -2 / norm * (t - (p * t).sum(dim=-1, keepdim=True) * p)


def _gradients_at_output(losses: ImageLosses, out: Outputs, views: int) -> torch.Tensor:
    """Return dl_i/dp `[2, B, P]`."""
    p = out.p.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(losses(replace(out, p=p), views).sum(), p)[0]


def cosine_of(kernel: torch.Tensor) -> torch.Tensor:
    """Return K_ij / sqrt(K_ii K_jj) `[B, B]`, in [-1, 1]; 0 where a gradient vanishes. [us]"""
    return cosine_between(kernel, kernel.diagonal(), kernel.diagonal())


def cosine_between(products: torch.Tensor, own: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Return the cosines `[B, N]` of gradients by their dot products and squared norms; 0 where one vanishes.

    Args:
        products: `[B, N]`.
        own, theirs: squared norms `[B]` of the rows' gradients and `[N]` of the columns'.
    """
    rows, columns = (squared.clamp_min(0).sqrt() for squared in (own, theirs))
    return products / (rows[:, None] * columns[None, :]).clamp_min(torch.finfo(products.dtype).tiny)


def _norms(parts: Iterable[nn.Module]) -> Iterator[nn.Module]:
    return (module for part in parts for module in part.modules() if isinstance(module, _BatchNorm))
