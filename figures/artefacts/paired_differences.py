"""The figure of paired differences: every method against plain BYOL, mean over the label fractions, seed by seed."""

import functools

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.curves import stroke_of
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import seed_scores
from figures.evidence.series import Series
from figures.statistics.differences import BASELINE, MEAN, differences, gains

ROW, EDGE = 0.2, 0.75
"""Inches of height that a method takes, and that title and axis take."""


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study = evidence.study
    table = differences(study, evidence.points)
    shown = table[(table["percent"] == MEAN) & (table["seeds"] > 0)]
    base = study.reference(BASELINE)
    if shown.empty or base is None:
        return None
    scores = seed_scores(study, evidence.points)
    series = [one for one in study.references if one.key in set(shown["series"])]
    each = {one.key: gains(scores, one, base)[MEAN] for one in series}
    metric = metrics.main_metric(study)
    names = sorted({f"test/{protocol}/{metric}" for protocol in shown["protocol"]})
    draw = functools.partial(_draw, shown, each, series)
    return Drawing(_caption(evidence, shown, each), shown, names, draw, _alt(shown))


def _draw(shown: pd.DataFrame, each: dict[str, pd.Series], series: list[Series], width: float) -> Figure:
    protocols = sorted(shown["protocol"].unique(), key=lambda name: style.rank(name, style.PROTOCOLS))
    wide = width == style.TWO_COLUMNS
    height = len(series) * ROW + EDGE
    shape = (1, len(protocols)) if wide else (len(protocols), 1)
    figure = Figure(figsize=(width, height * shape[0]), layout="constrained")
    for panel, protocol in zip(figure.subplots(*shape, squeeze=False, sharex=True).flat, protocols, strict=True):
        panel.axvline(0, color=style.INK, linewidth=0.8, zorder=1)
        rows = shown[shown["protocol"] == protocol].set_index("series")
        for place, one in enumerate(series):
            if one.key not in rows.index:
                continue
            row, stroke = rows.loc[one.key], stroke_of(one)
            seeds = 100 * each[one.key].xs(protocol, level="protocol").dropna()
            panel.plot(seeds, [place] * len(seeds), "|", color=stroke.colour, markersize=5, markeredgewidth=0.8)
            if row["seeds"] > 1:
                panel.plot([100 * row["low"], 100 * row["high"]], [place, place], color=stroke.colour, zorder=2)
            panel.plot(100 * row["mean"], place, stroke.marker, color=stroke.colour, markersize=5, zorder=3)
        panel.set_yticks(range(len(series)), [one.label for one in series])
        panel.set_ylim(len(series) - 0.4, -0.6)
        panel.grid(axis="y", visible=False)
        panel.set_title(style.PROTOCOLS.get(protocol, protocol))
        panel.tick_params(axis="y", length=0, labelleft=not wide or protocol == protocols[0])
        panel.set_xlim(*_limits(shown, each))
        if wide or protocol == protocols[-1]:
            panel.set_xlabel(f"Points over {style.look(BASELINE).label}")
    return figure


def _limits(shown: pd.DataFrame, each: dict[str, pd.Series]) -> tuple[float, float]:
    """Return the range of the horizontal axis: every seed, and beyond zero and the means half as much again, so that
    the interval of two seeds, which can be many times wider, does not flatten what there is to see."""  # fmt: skip
    low, high = min(0.0, 100 * shown["mean"].min()), max(0.0, 100 * shown["mean"].max())
    margin, seeds = max(1.0, 0.5 * (high - low)), 100 * pd.concat([*each.values()])
    return min(low - margin, 1.05 * seeds.min()), max(high + margin, 1.05 * seeds.max())


def _caption(evidence: Evidence, shown: pd.DataFrame, each: dict[str, pd.Series]) -> str:
    study, metric = evidence.study, metrics.METRICS[metrics.main_metric(evidence.study)]
    runs = [run for one in study.references if one.key in set(shown["series"]) for run in one.runs]
    sentences = [
        f"{metric} on the test split, mean over the label fractions, less that of {style.look(BASELINE).label} of the "
        "same seed. Ticks: single seeds; marker: mean."
    ]
    if shown["seeds"].max() > 1:
        sentences.append(
            f"Mean over {captions.seeds_averaged(runs, shown['seeds'])}; bars: {captions.bars(shown['seeds'])}. "
            "Intervals are those of one comparison at a time; the table of comparisons corrects for their number."
        )
        low, high = (limit / 100 for limit in _limits(shown, each))
        if (shown["low"] < low).any() or (shown["high"] > high).any():
            sentences.append("Bars that reach the panel's edge go on beyond it; the CSV has their ends.")
    else:
        sentences.append(f"One seed each ({titles.seeds(runs)}), so there is no interval.")
    return " ".join(filter(None, [*sentences, captions.references(study)]))


def _alt(shown: pd.DataFrame) -> str:
    said = [f"Paired differences to {style.look(BASELINE).label} in points, mean over label fractions."]
    for protocol, rows in shown.groupby("protocol", sort=False):
        told = [f"{label} {100 * mean:+.1f}" for label, mean in zip(rows["label"], rows["mean"], strict=True)]
        said.append(f"{style.PROTOCOLS.get(str(protocol), protocol)}: {'; '.join(told)}.")
    return " ".join(said)


ARTEFACT = Artefact("paired_differences", "Paired differences", make)
