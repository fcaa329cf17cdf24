"""Inner products of per-image weight gradients of one layer, without keeping the gradients.

A Linear layer or a convolution uses its weight at T positions of an image (all its views counted together), so the
image's gradient is a sum of outer products, G_i = sum_t d_it a_it^T `[O, K]`, and the inner product of two images'
gradients can be had in two ways:

* Gram: sum_{s,t} (a_is . a_jt + 1)(d_is . d_jt), the 1 being the bias; cheap where there are few positions;
* materialise: build every G_i and multiply; cheap where there are many.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from repro.pretrain.precision import exact

Positions = Callable[[slice], torch.Tensor]
"""From a slice of the batch, b images, to their inputs `[b, T, K]`."""


def layer_kernel(
    layer: nn.Module,
    inputs: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor],
    memory: int,
    rows: slice = slice(None),
) -> torch.Tensor:
    """Return rows `[R, B]` of K, K_ij = grad_i . grad_j over the layer's weight and bias, in float32 or better.

    Args:
        layer: an nn.Linear, or an nn.Conv2d of any stride, dilation, zero padding and number of groups.
        inputs: what went into the layer, one `[B, ...]` per view.
        gradients: the gradient of each image's loss at what came out, one `[B, ...]` per view.
        memory: bytes that an intermediate result may take.
        rows: which i; without it all of them.

    Raises:
        TypeError: another kind of layer or padding.
    """
    bias = layer.bias is not None
    with torch.autocast(inputs[0].device.type, enabled=False):
        if isinstance(layer, nn.Linear):
            a = torch.cat([_rows(exact(x)) for x in inputs], dim=1)
            d = torch.cat([_rows(exact(g)) for g in gradients], dim=1)
            return _kernel(lambda images: a[images], a.shape[2], d, bias, memory, rows)
        if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            d = torch.cat([exact(g).flatten(2).transpose(1, 2) for g in gradients], dim=1)
            fan_in = layer.weight[0].numel()
            return torch.stack([
                _kernel(_patches(layer, inputs, group), fan_in, part, bias, memory, rows)
                for group, part in enumerate(d.chunk(layer.groups, dim=2))
            ]).sum(dim=0)  # fmt: skip
    raise TypeError(f"no gradient products for {layer}")


def gram_is_cheaper(batch: int, positions: int, fan_in: int, channels: int) -> bool:
    """Whether the Gram products take fewer multiplications than the gradients themselves and their products.

    B^2 T^2 (K + O) against B^2 K O + B T K O; for large batches T^2 < K O / (K + O).
    """
    return positions**2 * (fan_in + channels) < fan_in * channels * (1 + positions / batch)


def _kernel(a: Positions, fan_in: int, d: torch.Tensor, bias: bool, memory: int, rows: slice) -> torch.Tensor:
    batch, positions, channels = d.shape
    if gram_is_cheaper(batch, positions, fan_in, channels):
        return _gram(a, d, bias, memory, rows)
    return _materialised(a, fan_in, d, bias, memory, rows)


def _gram(a: Positions, d: torch.Tensor, bias: bool, memory: int, rows: slice) -> torch.Tensor:
    batch, positions, _ = d.shape
    inputs, outputs = a(slice(None)).flatten(0, 1), d.flatten(0, 1)
    images = max(1, memory // (2 * d.element_size() * batch * positions**2))
    first, end, _ = rows.indices(batch)
    found = []
    for start in range(first, end, images):
        some = slice(start * positions, min(start + images, end) * positions)
        product = inputs[some] @ inputs.T
        product += bias
        product *= outputs[some] @ outputs.T
        found.append(product.view(-1, positions, batch, positions).sum(dim=(1, 3)))
    return torch.cat(found)


def _materialised(a: Positions, fan_in: int, d: torch.Tensor, bias: bool, memory: int, rows: slice) -> torch.Tensor:
    batch, positions, _ = d.shape
    total = d.sum(dim=1)  # the bias's gradient
    kernel = total[rows] @ total.T if bias else d.new_zeros(len(total[rows]), batch)
    images = max(1, memory // (d.element_size() * positions * fan_in))
    for some in d.split(max(1, memory // (d.element_size() * batch * fan_in)), dim=2):
        gradient = torch.cat([
            (some[start : start + images].mT @ a(slice(start, start + images))).flatten(1)
            for start in range(0, batch, images)
        ])  # fmt: skip
        kernel += gradient[rows] @ gradient.T
    return kernel


def _patches(layer: nn.Conv2d, inputs: Sequence[torch.Tensor], group: int) -> Positions:
    """Return what a group of the convolution's channels sees at each of its positions."""
    channels = layer.in_channels // layer.groups
    own = slice(group * channels, (group + 1) * channels)

    def of(images: slice) -> torch.Tensor:
        views = (exact(x[images, own]) for x in inputs)
        unfolded = [F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride) for x in views]  # type: ignore[arg-type]
        return torch.cat(unfolded, dim=2).transpose(1, 2)

    return of


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return `[B, T, K]` of a Linear layer's `[B, K]` or `[B, ..., K]`."""
    return x.reshape(len(x), -1, x.shape[-1])
