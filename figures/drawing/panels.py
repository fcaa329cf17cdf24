"""A figure as panels in rows, with one legend below, at either of two widths."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.drawing.curves import Stroke

PANEL_HEIGHT = 1.8
LEGEND_LINE = 0.19

_ROUND = [1, 2, 2.5, 5, 10]

CHANCE = Stroke("Chance", style.INK, "", (0, (3, 2)))


def panels(
    groups: Sequence[int], columns: int, width: float, legend: Sequence[Stroke], share_y: Sequence[bool]
) -> tuple[Figure, list[list[Axes]]]:
    """Return a new figure and its axes, group by group; every group begins a new row and fills the width.

    Args:
        groups: number of panels in each group.
        columns: panels in a row, at most.
        width: of the figure, in inches.
        legend: what the legend shows, in order.
        share_y: for each group, whether its panels have one vertical scale.
    """
    across = [min(columns, count) for count in groups]
    rows = [math.ceil(count / wide) for count, wide in zip(groups, across, strict=True)]
    legend_columns = _legend_columns(legend, width)
    strip = (math.ceil(len(legend) / legend_columns) + 0.5) * LEGEND_LINE
    layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, wspace=0.03, hspace=0.04)
    figure = Figure(figsize=(width, PANEL_HEIGHT * sum(rows) + strip), layout=layout)
    cells = math.lcm(*across)
    grid = figure.add_gridspec(sum(rows), cells)
    made: list[list[Axes]] = []
    top = 0
    for count, wide, height, shared in zip(groups, across, rows, share_y, strict=True):
        axes: list[Axes] = []
        for place in range(count):
            left = place % wide * (cells // wide)
            place_in_grid = grid[top + place // wide, left : left + cells // wide]
            axes.append(figure.add_subplot(place_in_grid, sharey=axes[0] if shared and axes else None))
        made.append(axes)
        top += height
    figure.legend(handles=_handles(legend), loc="outside lower center", ncols=legend_columns, columnspacing=1.4)
    return figure, made


def ticks(axes: Axes, epochs: bool) -> None:
    """Put ticks at round numbers; where the horizontal axis counts epochs or steps, at whole ones."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=_ROUND))
    if epochs:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=_ROUND, integer=True, min_n_ticks=1))


def _legend_columns(legend: Iterable[Stroke], width: float) -> int:
    longest = max(len(stroke.label) for stroke in legend)
    return max(1, int(width / (0.062 * longest + 0.5)))


def _handles(legend: Iterable[Stroke]) -> list[Line2D]:
    hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 0.9}
    return [
        Line2D(
            [], [], color=stroke.colour, marker=stroke.marker, linestyle=stroke.line, label=stroke.label,
            **({} if stroke.filled else hollow),
        )
        for stroke in legend
    ]  # fmt: skip
