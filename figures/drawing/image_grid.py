"""Images of the data in figures: a grid of them with coloured borders, and the legend of labels."""

from collections.abc import Sequence
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

BORDER = 2.2
"""Points of width."""

LONGEST = 48
"""Characters of a label's name in a legend."""

STRIP = 0.19
"""Inches of height of a line of the legend."""


def picture_grid(columns: int, rows: int, width: float, legend_lines: int) -> tuple[Figure, np.ndarray]:
    """Return a figure of square panels without axes, and the panels `[rows, columns]`; a strip below for a legend."""
    side = width / columns
    figure = Figure(figsize=(width, rows * side + 0.3 + legend_lines * STRIP), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def show(axes: Axes, image: np.ndarray, border: str | None = None, dashed: bool = False) -> None:
    """Draw a uint8 image `[H, W, C]`, grey or colour, in a border of this colour; vector files hold its own pixels."""
    grey = image.shape[-1] == 1
    axes.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255, interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(border is not None)
        if border is not None:
            spine.set(color=border, linewidth=BORDER, linestyle=(0, (1.6, 1)) if dashed else "-", capstyle="butt")


def label_legend(figure: Figure, names: Sequence[str], numbers: Sequence[int], columns: int, marker: bool) -> None:
    """Put the colours of labels below a figure, with their markers or as squares."""
    handles = []
    for number in numbers:
        colour, sign = style.class_look(number)
        kind = sign if marker else "s"
        name = short(names[number])
        handles.append(Line2D([], [], color=colour, marker=kind, linestyle="", markersize=5, label=name))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.2, handletextpad=0.2)


def short(name: str) -> str:
    """Return the name of a label, cut if a legend had no place for it."""
    return shorten(name, LONGEST, placeholder=" …")


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many names of labels fit beside each other."""
    return max(1, int(width / (0.065 * max((len(short(name)) for name in names), default=1) + 0.35)))
