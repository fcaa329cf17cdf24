"""Unfolded inputs of a convolution (patches per position)."""

import functools
import itertools
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

Patches = Callable[[slice], torch.Tensor]
"""From a slice of the batch, b images, to what a layer sees of them at each of its positions, `[b, T, K]`."""

Inner = Callable[[int, int], torch.Tensor]
"""From positions s and t to a_is . a_jt `[R, B]`, plus 1 where there is a bias."""


class Windows:
    """The inputs of a convolution, or of a group of its channels, seen through its kernel.

    Args:
        layer: any stride, dilation and zero padding.
        inputs: what went into the channels, `[B, C, H, W]`, one per view.
    """

    def __init__(self, layer: nn.Conv2d, inputs: Sequence[torch.Tensor]) -> None:
        (self._kernel, self._stride, self._dilation) = (
            _pair(x) for x in (layer.kernel_size, layer.stride, layer.dilation)
        )
        self._padding, self._inputs, self._layer = _pair(layer.padding), inputs, layer
        _, self.depth, self._height, self._width = inputs[0].shape

    def of_channels(self, own: slice) -> "Windows":
        """Return the windows of some of the channels."""
        return Windows(self._layer, [view[:, own] for view in self._inputs])

    @property
    def pixels(self) -> int:
        """Pixels of an image, in one view."""
        return self._height * self._width

    @property
    def fan_in(self) -> int:
        """Numbers in a window."""
        return self.depth * self._kernel[0] * self._kernel[1]

    @property
    def patches(self) -> list[Patches]:
        """One function per view. With channels last, patches are copied several times as fast as by F.unfold."""
        return [functools.partial(self._copied, view) for view in self._inputs]

    def inner_products(self, bias: bool, rows: slice) -> Inner:
        """Return what gives the inner products of patches, as sums of inner products of pixels.

        Args:
            bias: whether to add 1.
            rows: which i. Products of all pixels are kept meanwhile: `[U, U, R, B]`, half of it for all rows.
        """
        x = torch.cat([view.permute(2, 3, 0, 1).flatten(0, 1) for view in self._inputs]).contiguous()
        whole = len(x[0, rows]) == x.shape[1]
        seen = self._seen()

        @functools.cache
        def product(u: int, v: int) -> torch.Tensor:
            return product(v, u).T if whole and u > v else x[u, rows] @ x[v].T

        def inner(s: int, t: int) -> torch.Tensor:
            found = x.new_full((len(x[0, rows]), x.shape[1]), float(bias))
            for place in seen[s].keys() & seen[t].keys():
                found += product(seen[s][place], seen[t][place])
            return found

        return inner

    def _copied(self, view: torch.Tensor, images: slice) -> torch.Tensor:
        (kh, kw), (sh, sw), (dh, dw), (ph, pw) = self._kernel, self._stride, self._dilation, self._padding
        padded = F.pad(view[images].permute(0, 2, 3, 1), (0, 0, pw, pw, ph, ph)).contiguous()
        image, row, column, channel = padded.stride()
        size = (len(padded), *self._positions(), kh, kw, self.depth)
        seen = padded.as_strided(size, (image, row * sh, column * sw, row * dh, column * dw, channel))
        return seen.reshape(len(padded), -1, self.fan_in)

    def _positions(self) -> tuple[int, int]:
        """Return the height and width of what comes out."""
        height, width = (
            (size + 2 * self._padding[axis] - self._dilation[axis] * (self._kernel[axis] - 1) - 1) // self._stride[axis]
            + 1
            for axis, size in enumerate((self._height, self._width))
        )
        return height, width

    def _seen(self) -> list[dict[tuple[int, int], int]]:
        """Return for each position, view after view, which pixel is at which place of the window; padding is not."""
        places = list(itertools.product(range(self._kernel[0]), range(self._kernel[1])))
        found = []
        for view, y, x in itertools.product(range(len(self._inputs)), *(range(n) for n in self._positions())):
            here: dict[tuple[int, int], int] = {}
            for place in places:
                row, column = (
                    at * self._stride[axis] - self._padding[axis] + place[axis] * self._dilation[axis]
                    for axis, at in enumerate((y, x))
                )
                if 0 <= row < self._height and 0 <= column < self._width:
                    here[place] = view * self.pixels + row * self._width + column
            found.append(here)
        return found


def _pair(of: object) -> tuple[int, int]:
    assert isinstance(of, tuple)
    return of
