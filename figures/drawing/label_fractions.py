"""Curves against the share of training labels, a panel per protocol, with an interval at every point."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from figures import style
from figures.drawing.curves import Stroke
from figures.drawing.panels import panels, ticks

DODGE, SPREAD = 0.022, 0.13
"""In decades: how far two methods' intervals stand apart, so that none hides another, and all of them at most."""


def draw(shown: pd.DataFrame, strokes: dict[str, Stroke], label: str, line_at: float | None, width: float) -> Figure:
    """Return a figure of means and intervals against label fraction.

    Args:
        shown: rows with protocol, series, percent, mean, low, high; means as fractions of 1, drawn in percent.
        strokes: how each series is drawn, in order.
        label: of the vertical axis.
        line_at: where a line is drawn across, in percent; None for none.
        width: of the figure, in inches.
    """
    protocols = list(dict.fromkeys(shown["protocol"]))
    columns = 3 if width == style.TWO_COLUMNS else 1
    figure, (axes,) = panels([len(protocols)], columns, width, list(strokes.values()), [True])
    for panel, protocol in zip(axes, protocols, strict=True):
        if line_at is not None:
            panel.axhline(line_at, color=style.INK, linewidth=0.8, zorder=1)
        _panel(panel, shown[shown["protocol"] == protocol], strokes)
        panel.set_ylim(*_limits(shown))
        panel.set_title(style.PROTOCOLS.get(protocol, protocol))
        if columns == 1 or panel is axes[0]:
            panel.set_ylabel(label)
        if columns > 1 or panel is axes[-1]:
            panel.set_xlabel("Label fraction (%)")
    return figure


def edge_note(shown: pd.DataFrame) -> str:
    """Return the sentence on bars that end beyond the panels; nothing where none does."""
    low, high = _limits(shown)
    if (100 * shown["low"] < low).any() or (100 * shown["high"] > high).any():
        return "Bars that reach the panel's edge go on beyond it; the CSV has their ends."
    return ""


def _panel(axes: Axes, scores: pd.DataFrame, strokes: dict[str, Stroke]) -> None:
    percents = sorted(scores["percent"].unique())
    for position, (key, stroke) in enumerate(strokes.items()):
        rows = scores[scores["series"] == key]
        if rows.empty:
            continue
        shift = 10 ** (min(DODGE, SPREAD / len(strokes)) * (position - (len(strokes) - 1) / 2))
        # A missing fraction breaks the line: nothing is drawn across a hole.
        rows = rows.set_index("percent").reindex(percents)
        half = 100 * (rows["high"] - rows["mean"]).to_numpy(float)
        axes.errorbar(
            [percent * shift for percent in percents], 100 * rows["mean"].to_numpy(float), yerr=half,
            color=stroke.colour, marker=stroke.marker, linestyle=stroke.line,
            elinewidth=0.7, capsize=0,
        )  # fmt: skip
    ticks(axes, epochs=False)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(percents))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(min(percents) / 1.4, max(percents) * 1.4)


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Return the range of the vertical axis, in percent: the points and as much again, so that two seeds' intervals,
    which can be wider than the scale itself, do not flatten what there is to see."""  # fmt: skip
    low, high = 100 * shown["mean"].min(), 100 * shown["mean"].max()
    margin = max(5.0, (high - low) / 2)
    floor = 0.0 if low >= 0 else -float("inf")
    return max(floor, low - margin), high + margin
