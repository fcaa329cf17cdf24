"""Curves over epochs or steps: the mean over seeds, the range of the seeds, and how both are drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from figures import style
from figures.evidence.series import Series

COLUMNS = ("metric", "method", "label", "series", "step", "seeds", "mean", "lowest", "highest", "runs")

MARKS = 6
"""About how many markers a curve carries."""


@dataclass(frozen=True)
class Stroke:
    """How one curve is drawn; its markers can be hollow."""

    label: str
    colour: str
    marker: style.Marker
    line: Any = "-"
    filled: bool = True


def stroke_of(series: Series) -> Stroke:
    """Return how the curve of a series is drawn."""
    look = style.look(series.method)
    return Stroke(series.label, look.colour, look.marker, style.LINES[series.variant % len(style.LINES)])


def over_seeds(points: pd.DataFrame, series: Iterable[Series], metrics: Iterable[str]) -> pd.DataFrame:
    """Return the mean, lowest and highest value over seeds of every metric, series and step.

    Args:
        points: metric points, from `Points.of`.
        series: which series, in the order wanted.
        metrics: names of metrics, in the order wanted.

    Returns:
        One row per point of a curve, with COLUMNS. A value that is NaN or infinite is not in the mean and not counted.
    """
    kept = points[points["name"].isin(list(metrics)) & points["value"].abs().lt(float("inf"))]
    groups = dict(list(kept.groupby(["name", "series"])))
    tables = []
    for metric in metrics:
        for one in series:
            if (metric, one.key) not in groups:
                continue
            steps = groups[metric, one.key].groupby("step")
            table = steps["value"].agg(seeds="count", mean="mean", lowest="min", highest="max").reset_index()
            table["runs"] = [" ".join(map(str, rows)) for _, rows in steps["run_id"]]
            tables.append(table.assign(metric=metric, method=one.method, label=one.label, series=one.key))
    return pd.concat(tables)[list(COLUMNS)] if tables else pd.DataFrame(columns=list(COLUMNS))


def draw(axes: Axes, curves: pd.DataFrame, strokes: Mapping[str, Stroke], by: str, factor: float = 1.0) -> None:
    """Draw curves: the mean over seeds as a line with markers, the range of the seeds as a band.

    Args:
        axes: where.
        curves: rows of `over_seeds`.
        strokes: how each curve is drawn, by the value in column `by`; drawn in this order.
        by: the column that tells curves apart.
        factor: what values are multiplied with.
    """
    for position, (key, stroke) in enumerate(strokes.items()):
        rows = curves[curves[by] == key]
        if rows.empty:
            continue
        steps = rows["step"].to_numpy(float)
        if len(rows) == 1 and not stroke.marker:
            axes.axhline(factor * rows["mean"].iloc[0], linestyle=stroke.line, color=stroke.colour, zorder=3)
            continue
        every = max(1, len(rows) // MARKS)
        axes.plot(
            steps, factor * rows["mean"].to_numpy(float), linestyle=stroke.line, color=stroke.colour,
            marker=stroke.marker, markevery=(position % every, every), zorder=3,
        )  # fmt: skip
        if rows["seeds"].max() > 1:
            low, high = (factor * rows[column].to_numpy(float) for column in ("lowest", "highest"))
            axes.fill_between(steps, low, high, color=stroke.colour, alpha=0.14, linewidth=0, zorder=2)
