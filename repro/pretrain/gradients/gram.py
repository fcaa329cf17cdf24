"""Inner products of per-image weight gradients of one layer, without keeping the gradients.

A Linear layer or a convolution uses its weight at T positions of an image (all its views counted together), so the
image's gradient is a sum of outer products, G_i = sum_t d_it a_it^T `[O, K]`, and the inner product of two images'
gradients can be had in three ways:

* "gram": sum_{s,t} (a_is . a_jt + 1)(d_is . d_jt), the 1 being the bias; cheap where there are few positions;
* "pixels": the same, where a_is . a_jt is a sum of inner products of pixels, which neighbouring positions share; for
  convolutions over images of a few pixels;
* "materialise": build every G_i and multiply; cheap where there are many positions, and for convolutions in groups.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from repro.pretrain.gradients.unfolding import Inner, Patches, Windows
from repro.pretrain.precision import exact

CACHED = 2**22
"""Bytes of patches that a CPU makes at a time, so that they stay in its cache. [us]"""


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
            linear, d = ([_rows(exact(x)) for x in xs] for xs in (inputs, gradients))
            positions = len(d) * d[0].shape[1]
            if cheapest(len(d[0]), positions, layer.in_features, layer.out_features) == "gram":
                return _gram([x.__getitem__ for x in linear], d, bias, rows)
            return _materialised([x.__getitem__ for x in linear], d, layer.in_features, bias, memory, rows)
        if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            windows = Windows(layer, [exact(x) for x in inputs])
            if layer.groups > 1:
                return _grouped(windows, [exact(g) for g in gradients], layer.groups, bias, memory, rows)
            return _convolved(windows, [exact(g) for g in gradients], bias, memory, rows)
    raise TypeError(f"no gradient products for {layer}")


def cheapest(batch: int, positions: int, fan_in: int, channels: int, pixels: int | None = None, depth: int = 0) -> str:
    """Return the way, of the three above, that takes the fewest multiplications.

    With K symmetric these are, over B^2: (K + O) T (T + 1) / 2 for "gram"; C U (U + 1) / 2 + O T (T + 1) / 2 for
    "pixels"; K O (3 / 4 + T / B) for "materialise", whose products are taken in blocks.

    Args:
        batch, positions, fan_in, channels: B, T, K and O.
        pixels, depth: U and C, the pixels that go in, all views together, and their channels; None for a Linear layer.
    """
    pairs = positions * (positions + 1) / 2
    costs = {
        "gram": (fan_in + channels) * pairs,
        "materialise": fan_in * channels * (0.75 + positions / batch),
    }
    if pixels is not None:
        costs["pixels"] = depth * pixels * (pixels + 1) / 2 + channels * pairs
    return min(costs, key=lambda way: costs[way])


def _grouped(
    windows: Windows, gradients: Sequence[torch.Tensor], groups: int, bias: bool, memory: int, rows: slice
) -> torch.Tensor:
    """Return rows of K of a convolution in groups, depthwise ones too: by "materialise", since gradients are small."""
    d = [_by_group(g.permute(0, 2, 3, 1).flatten(1, 2), groups) for g in gradients]  # [B, groups, T, O / groups]
    batch, _, positions, channels = d[0].shape
    bytes_each, fan_in, depth = d[0].element_size(), windows.fan_in // groups, windows.depth // groups
    total = torch.stack([g.sum(dim=2) for g in d]).sum(dim=0)
    kernel = _products(total, rows) if bias else d[0].new_zeros(len(d[0][rows]), batch)
    at_once = max(1, memory // (bytes_each * batch * channels * fan_in))  # groups
    for first in range(0, groups, at_once):
        some = slice(first, first + at_once)
        own = slice(first * depth, (first + at_once) * depth)
        width = len(range(groups)[some])
        gradient = total.new_empty(batch, width, channels, fan_in)
        patches_at_once = memory if total.is_cuda else min(memory, CACHED)
        images = max(1, patches_at_once // (bytes_each * positions * fan_in * width))
        for start in range(0, batch, images):
            these = slice(start, start + images)
            parts = zip(windows.of_channels(own).patches, d, strict=True)
            gradient[these] = sum(g[these, some].mT @ _by_group(patches(these), width, depth) for patches, g in parts)
        kernel += _products(gradient, rows)
    return kernel


def _by_group(x: torch.Tensor, groups: int, depth: int | None = None) -> torch.Tensor:
    """Return `[B, groups, T, ...]` of `[B, T, K]`, whose last dimension is channels, or places with channels inside."""
    size = x.shape[2] // groups if depth is None else depth
    return x.unflatten(2, (-1, groups, size)).permute(0, 3, 1, 2, 4).flatten(3)


def _products(gradient: torch.Tensor, rows: slice) -> torch.Tensor:
    flat = gradient.flatten(1)
    return flat[rows] @ flat.T


def _convolved(
    windows: Windows, gradients: Sequence[torch.Tensor], bias: bool, memory: int, rows: slice
) -> torch.Tensor:
    """Return rows of K of a convolution of one group."""
    d = [g.permute(0, 2, 3, 1).flatten(1, 2) for g in gradients]
    batch, channels = len(d[0]), d[0].shape[2]
    positions, pixels = (len(d) * n for n in (d[0].shape[1], windows.pixels))
    kept = pixels * (pixels + 1) // 2 * batch * len(d[0][rows]) * d[0].element_size()
    way = cheapest(batch, positions, windows.fan_in, channels, pixels if kept <= memory else None, windows.depth)
    if way == "gram":
        return _gram(windows.patches, d, bias, rows)
    if way == "pixels":
        inner = windows.inner_products(bias, rows)
        return _summed(inner, torch.cat([g.transpose(0, 1) for g in d]), rows)
    return _materialised(windows.patches, d, windows.fan_in, bias, memory, rows)


def _gram(a: Sequence[Patches], d: Sequence[torch.Tensor], bias: bool, rows: slice) -> torch.Tensor:
    inputs = torch.cat([patches(slice(None)).transpose(0, 1) for patches in a])
    return gram_products(inputs, torch.cat([g.transpose(0, 1) for g in d]), bias, rows)


def gram_products(a: torch.Tensor, d: torch.Tensor, bias: bool, rows: slice = slice(None)) -> torch.Tensor:
    """Return rows `[R, B]` of K, K_ij = sum_{s,t} (a_is . a_jt + bias)(d_is . d_jt), one pair of positions at a time.

    Args:
        a: inputs `[T, B, K]`, position by position.
        d: output gradients `[T, B, O]`.
        bias: whether the layer has one.
        rows: which i; without it all of them, which takes half the work, as K is symmetric.
    """
    a, one = a.contiguous(), d.new_full((1,), float(bias))
    return _summed(lambda s, t: torch.addmm(one, a[s, rows], a[t].T), d, rows)


def _summed(inner: Inner, d: torch.Tensor, rows: slice) -> torch.Tensor:
    """Return the sum over pairs of positions of what `inner` gives for them times d_is . d_jt, with `d` `[T, B, O]`."""

    d = d.contiguous()

    def add(to: torch.Tensor, s: int, t: int) -> None:
        to.addcmul_(inner(s, t), d[s, rows] @ d[t].T)

    found = d.new_zeros(len(d[0, rows]), d.shape[1])
    positions = range(len(d))
    if len(found) < d.shape[1]:
        for s, t in itertools.product(positions, repeat=2):
            add(found, s, t)
        return found
    crossed = torch.zeros_like(found)
    for s, t in itertools.combinations_with_replacement(positions, 2):
        add(found if s == t else crossed, s, t)
    return found + crossed + crossed.T


def _materialised(
    a: Sequence[Patches], d: Sequence[torch.Tensor], fan_in: int, bias: bool, memory: int, rows: slice
) -> torch.Tensor:
    """Build the gradients of some output channels at a time, and add up their products."""
    batch, positions, channels = d[0].shape
    total = torch.stack([g.sum(dim=1) for g in d]).sum(dim=0)  # the bias's gradient
    kernel = total[rows] @ total.T if bias else total.new_zeros(len(total[rows]), batch)
    whole = len(kernel) == batch
    half = batch // 2 if whole else len(kernel)  # of all rows, the block below on the left is the one above, mirrored
    patches_at_once = memory if total.is_cuda else min(memory, CACHED)
    images = max(1, patches_at_once // (total.element_size() * positions * fan_in))
    at_once = max(1, memory // (total.element_size() * batch * fan_in))
    for first in range(0, channels, at_once):
        some = slice(first, first + at_once)
        gradient = total.new_empty(batch, len(range(channels)[some]), fan_in)
        for start in range(0, batch, images):
            these = slice(start, start + images)
            for number, (patches, g) in enumerate(zip(a, d, strict=True)):
                gradient[these].baddbmm_(g[these, :, some].mT, patches(these), beta=float(number > 0))
        flat = gradient.flatten(1)
        own = flat[rows]
        kernel[:half].addmm_(own[:half], flat.T)
        if whole:
            kernel[half:, half:].addmm_(own[half:], flat[half:].T)
    if whole:
        kernel[half:, :half] = kernel[:half, half:].T
    return kernel


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return `[B, T, K]` of a Linear layer's `[B, K]` or `[B, ..., K]`."""
    return x.reshape(len(x), -1, x.shape[-1])
