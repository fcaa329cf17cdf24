"""Inner products of per-image weight gradients of one layer, without keeping the gradients.

A Linear layer or a convolution uses its weight at T positions of an image (all its views counted together), so the
image's gradient is a sum of outer products, G_i = sum_t d_it a_it^T `[O, K]`, and the inner product of two images'
gradients can be had in two ways:

* Gram: sum_{s,t} (a_is . a_jt + 1)(d_is . d_jt), the 1 being the bias; cheap where there are few positions;
* materialise: build every G_i and multiply; cheap where there are many.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from repro.pretrain.precision import exact

CACHED = 2**22
"""Bytes of patches that a CPU makes at a time, so that they stay in its cache. [us]"""

Patches = Callable[[slice], torch.Tensor]
"""From a slice of the batch, b images, to what the layer sees of them at each of its positions, `[b, T, K]`."""


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
            linear = [_rows(exact(x)) for x in inputs]
            return _kernel(
                [x.__getitem__ for x in linear],
                [_rows(exact(g)) for g in gradients],
                layer.in_features,
                bias,
                memory,
                rows,
            )
        if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            d = [exact(g).permute(0, 2, 3, 1).flatten(1, 2) for g in gradients]
            fan_in, channels = layer.weight[0].numel(), layer.out_channels // layer.groups
            return torch.stack([
                _kernel(
                    [_patches(layer, x, group) for x in inputs],
                    [g[:, :, group * channels : (group + 1) * channels] for g in d],
                    fan_in, bias, memory, rows,
                )
                for group in range(layer.groups)
            ]).sum(dim=0)  # fmt: skip
    raise TypeError(f"no gradient products for {layer}")


def gram_is_cheaper(batch: int, positions: int, fan_in: int, channels: int) -> bool:
    """Whether the Gram products take fewer multiplications than the gradients themselves and their products.

    With K symmetric: B^2 (K + O) T (T + 1) / 2 against B T K O + B^2 K O 3 / 4, in two blocks.
    """
    return (fan_in + channels) * positions * (positions + 1) / 2 < fan_in * channels * (0.75 + positions / batch)


def _kernel(
    a: Sequence[Patches], d: Sequence[torch.Tensor], fan_in: int, bias: bool, memory: int, rows: slice
) -> torch.Tensor:
    """Return rows of K from what each view puts in and the gradients `[B, T, O]` at what comes out."""
    batch, channels = len(d[0]), d[0].shape[2]
    if gram_is_cheaper(batch, sum(g.shape[1] for g in d), fan_in, channels):
        inputs = torch.cat([patches(slice(None)).transpose(0, 1) for patches in a])
        return gram_products(inputs, torch.cat([g.transpose(0, 1) for g in d]), bias, rows)
    return _materialised(a, d, fan_in, bias, memory, rows)


def gram_products(a: torch.Tensor, d: torch.Tensor, bias: bool, rows: slice = slice(None)) -> torch.Tensor:
    """Return rows `[R, B]` of K, K_ij = sum_{s,t} (a_is . a_jt + bias)(d_is . d_jt), one pair of positions at a time.

    Args:
        a: inputs `[T, B, K]`, position by position.
        d: output gradients `[T, B, O]`.
        bias: whether the layer has one.
        rows: which i; without it all of them, which takes half the work, as K is symmetric.
    """
    a, d, one = a.contiguous(), d.contiguous(), d.new_full((1,), float(bias))

    def add(to: torch.Tensor, s: int, t: int) -> None:
        to.addcmul_(torch.addmm(one, a[s, rows], a[t].T), d[s, rows] @ d[t].T)

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
    half = batch // 2 if len(kernel) == batch else len(kernel)  # the block below it is the one above, mirrored
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
        kernel[half:, half:].addmm_(own[half:], flat[half:].T)
    kernel[half:, :half] = kernel[:half, half:].T
    return kernel


def _patches(layer: nn.Conv2d, x: torch.Tensor, group: int) -> Patches:
    """Return what a group of the convolution's channels sees of images `[B, C, H, W]`.

    With channels last in memory a patch is a few long rows, which copies several times as fast as F.unfold does.
    """
    channels = layer.in_channels // layer.groups
    (kh, kw), (sh, sw), (dh, dw), (ph, pw) = layer.kernel_size, layer.stride, layer.dilation, layer.padding

    def of(images: slice) -> torch.Tensor:
        own = exact(x[images, group * channels : (group + 1) * channels]).permute(0, 2, 3, 1)
        padded = F.pad(own, (0, 0, pw, pw, ph, ph)).contiguous()
        b, h, w, c = padded.shape
        image, row, column, channel = padded.stride()
        size = (b, (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1, kh, kw, c)
        windows = padded.as_strided(size, (image, row * sh, column * sw, row * dh, column * dw, channel))
        return windows.reshape(b, size[1] * size[2], kh * kw * c)

    return of


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return `[B, T, K]` of a Linear layer's `[B, K]` or `[B, ..., K]`."""
    return x.reshape(len(x), -1, x.shape[-1])
