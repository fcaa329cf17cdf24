"""The label-efficiency figure: test metric against label fraction, a line per method, a panel per protocol."""

import functools

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from figures import captions, style
from figures.curves import Stroke, stroke_of
from figures.panels import panels, ticks
from figures.products import Artefact, Drawing
from figures.records import Study
from figures.scores import metric_names, test_scores

DODGE, SPREAD = 0.022, 0.13
"""In decades: how far two methods' intervals stand apart, so that none hides another, and all of them at most."""


def make(study: Study, points: pd.DataFrame) -> Drawing | None:
    """Return the figure of a study."""
    scores = test_scores(study, points)
    shown = scores[scores["seeds"] > 0]
    if shown.empty:
        return None
    strokes = {series.key: stroke_of(series) for series in study.series if series.key in set(shown["series"])}
    label = f"{captions.METRICS[captions.main_metric(study)]} (%)"
    draw = functools.partial(_draw, shown, strokes, label)
    return Drawing(_caption(study, shown), scores, metric_names(scores), draw, _alt(shown, label))


def _draw(shown: pd.DataFrame, strokes: dict[str, Stroke], label: str, width: float) -> Figure:
    protocols = list(dict.fromkeys(shown["protocol"]))
    columns = 3 if width == style.TWO_COLUMNS else 1
    figure, (axes,) = panels([len(protocols)], columns, width, list(strokes.values()), [True])
    for panel, protocol in zip(axes, protocols, strict=True):
        _panel(panel, shown[shown["protocol"] == protocol], strokes)
        panel.set_ylim(*_limits(shown))
        panel.set_title(style.PROTOCOLS.get(protocol, protocol))
        if columns == 1 or panel is axes[0]:
            panel.set_ylabel(label)
        if columns > 1 or panel is axes[-1]:
            panel.set_xlabel("Training labels used (%)")
    return figure


def _panel(axes: Axes, scores: pd.DataFrame, strokes: dict[str, Stroke]) -> None:
    for position, (key, stroke) in enumerate(strokes.items()):
        rows = scores[scores["series"] == key]
        if rows.empty:
            continue
        shift = 10 ** (min(DODGE, SPREAD / len(strokes)) * (position - (len(strokes) - 1) / 2))
        percents = sorted(scores["percent"].unique())
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
    percents = sorted(scores["percent"].unique())
    axes.xaxis.set_major_locator(FixedLocator(percents))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(min(percents) / 1.4, max(percents) * 1.4)


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Return the range of the vertical axis, in percent: the points and as much again, so that two seeds' intervals,
    which can be wider than the scale itself, do not flatten what there is to see."""  # fmt: skip
    low, high = 100 * shown["mean"].min(), 100 * shown["mean"].max()
    margin = max(5.0, (high - low) / 2)
    return max(0.0, low - margin), min(100.0, high + margin)


def _caption(study: Study, shown: pd.DataFrame) -> str:
    metric = captions.METRICS[captions.main_metric(study)]
    runs = [run for series in study.series if series.tested for run in series.runs]
    sentences = [f"{metric} on the test split against the share of training labels used (log scale)."]
    if shown["seeds"].max() > 1:
        over = captions.seeds_averaged(runs, shown["seeds"])
        sentences.append(f"Points: mean over {over}; bars: 95 % t-interval, drawn side by side.")
        if (shown["seeds"] == 1).any():
            sentences.append("Points of one seed have no bar.")
        low, high = _limits(shown)
        if (100 * shown["low"] < low).any() or (100 * shown["high"] > high).any():
            sentences.append("Bars that reach the panel's edge go on beyond it; the CSV has their ends.")
    else:
        sentences.append(f"One seed per point ({captions.seeds(runs)}), so there is no interval.")
    if len(shown) < len(shown.drop_duplicates("series")) * shown["protocol"].nunique() * shown["percent"].nunique():
        sentences.append("Where a point is missing, no stored run gives it.")
    return " ".join(sentences)


def _alt(shown: pd.DataFrame, label: str) -> str:
    said = [f"Line chart of {label[0].lower()}{label[1:]} against label fraction."]
    for protocol, rows in shown.groupby("protocol", sort=False):
        ends = []
        for name, of_method in rows.groupby("label", sort=False):
            first, last = of_method.iloc[0], of_method.iloc[-1]
            told = f"{name} {100 * first['mean']:.1f} at {first['percent']:g} %"
            ends.append(told + (f" to {100 * last['mean']:.1f} at {last['percent']:g} %" if len(of_method) > 1 else ""))
        said.append(f"{style.PROTOCOLS.get(str(protocol), protocol)}: {'; '.join(ends)}.")
    return " ".join(said)


ARTEFACT = Artefact("label_efficiency", "Label efficiency", make)
