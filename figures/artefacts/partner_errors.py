"""The figure that tells how good partners must be: gain over BYOL against the share of right partners."""

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.curves import Stroke
from figures.drawing.panels import panels, ticks
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.ordering import aside
from figures.evidence.series import Series
from figures.evidence.study import Study
from figures.statistics.differences import one_by_one
from figures.statistics.estimates import estimate
from figures.statistics.partner_errors import (
    FEW,
    ORACLE,
    SELECTORS,
    against_byol,
    complete,
    crossing,
    error_of,
    lines_of,
    selector_of,
)

PROTOCOLS = ("finetune", "linear")

GAIN, ZERO = "gain", "zero"

DODGE, STRIP = 0.8, 0.15
"""How far two weights' marks of a selector stand apart, in percent of partners; the share of a panel's height, at its
bottom, for where the gain is zero."""

COLUMNS = (
    "study_key", "study", "protocol", "statistic", "method", "label", "weight", "error", "seeds", "share",
    "share_macro", "mean", "low", "high", "slope", "each", "shares", "runs",
)  # fmt: skip
"""Rows of statistic `gain`: mean, low and high are of the gain; of `zero`: of the share of right partners at which the
gain is zero, and `slope` is the line's. `each` and `shares` have the gain and the share of every run, as seed:value."""


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of all studies; None where no oracle errs."""
    data = pd.DataFrame(_rows(evidence), columns=list(COLUMNS))
    if data.empty:
        return None
    action = functools.partial(_draw, data)
    used = [study for study in evidence.studies if study.key in set(data["study_key"])]
    shown = [one for study in used for line in lines_of(study) for one in (*line.oracles, *line.selectors)]
    names = {f"partners/{selector_of(one)}/same_label{of}" for one in shown for of in ("", "_macro")}
    names |= {f"test/{protocol}/{metrics.main_metric(study)}" for protocol in set(data["protocol"]) for study in used}
    return Drawing(_caption(evidence, data), data, sorted(names), action, _alt(data))


def _rows(evidence: Evidence) -> Iterator[tuple[Any, ...]]:
    for study in evidence.studies:
        if aside(study, evidence.studies):
            continue
        points = evidence.points_of(study)
        for line in lines_of(study):
            found = {one.key: against_byol(study, points, one) for one in (*line.oracles, *line.selectors)}
            for protocol in PROTOCOLS:
                mine = {key: rows[rows["protocol"] == protocol] for key, rows in found.items()}
                oracles = [mine[one.key] for one in line.oracles if len(mine[one.key])]
                if len(oracles) < 2:
                    continue
                head = (study.key, _place(study), protocol)
                for one in (*line.oracles, *line.selectors):
                    if len(mine[one.key]):
                        yield (*head, GAIN, *_gain(one, line.weight, mine[one.key]))
                if len(common := complete(oracles)):
                    yield (*head, ZERO, *_zero(line.weight, common))


def _gain(one: Series, weight: float, rows: pd.DataFrame) -> tuple[Any, ...]:
    """Return method to runs of COLUMNS for one series."""
    found, error = estimate(rows["gain"]), error_of(one) if one.method == ORACLE else math.nan
    wrong = f", errs at {error:g}" if one.method == ORACLE else ""
    label = f"{_name(one.method)}{wrong}, weight {weight:g}"
    shares = rows["share"].mean(), rows["share_macro"].mean()
    interval = found.mean, found.low, found.high
    return (one.method, label, weight, error, found.seeds, *shares, *interval, math.nan, *_each(rows))


def _zero(weight: float, rows: pd.DataFrame) -> tuple[Any, ...]:
    """Return method to runs of COLUMNS for where the line of an oracle crosses zero."""
    found, label = crossing(rows), f"Zero gain, weight {weight:g}"
    interval = found.share, found.low, found.high, found.slope
    return (ORACLE, label, weight, math.nan, rows["seed"].nunique(), math.nan, math.nan, *interval, *_each(rows))


def _each(rows: pd.DataFrame) -> tuple[str, str, str]:
    by_seed = rows.set_index("seed")
    runs = " ".join(str(run) for pair in zip(rows["run"], rows["run_of_byol"], strict=True) for run in pair)
    return one_by_one(by_seed["gain"]), one_by_one(by_seed["share"]), runs


def _place(study: Study) -> str:
    data = study.config["data"]
    split = "" if data["split"] == "official" else f", {data['split']} split"
    note = f" ({study.note})" if study.note else ""
    return f"{titles.name_of_images(study)}{split}{note}"


def _name(method: str) -> str:
    name = style.look(method).label.removeprefix("BYOL + ")
    return "Oracle" if method == ORACLE else f"{name[0].upper()}{name[1:]}"


def _draw(data: pd.DataFrame, width: float) -> Figure:
    wide = width == style.TWO_COLUMNS
    weights = sorted(set(data["weight"]), reverse=True)
    strokes = {weight: _line(weight, place) for place, weight in enumerate(weights)}
    shown = [method for method in SELECTORS if method in set(data["method"])]
    zero = Stroke("Zero gain", style.look(ORACLE).colour, "o", "-")
    legend = [*strokes.values(), zero, *(_mark(method) for method in shown)]
    studies = list(dict.fromkeys(data["study_key"]))
    counts = [data.loc[data["study_key"] == key, "protocol"].nunique() for key in studies]
    figure, groups = panels(counts, 2 if wide else 1, width, legend, [True] * len(studies))
    for key, axes in zip(studies, groups, strict=True):
        mine = data[data["study_key"] == key]
        limits = _limits(mine[mine["statistic"] == GAIN])
        for panel, protocol in zip(axes, dict.fromkeys(mine["protocol"]), strict=True):
            rows = mine[mine["protocol"] == protocol]
            panel.axhline(0, color=style.INK, linewidth=0.8, zorder=1)
            for place, weight in enumerate(weights):
                _of_weight(panel, rows[rows["weight"] == weight], strokes[weight], place, limits[0])
            panel.set_title(f"{mine['study'].iloc[0]}: {style.PROTOCOLS[protocol].lower()}")
            panel.set_xlim(-3, 103)
            panel.set_ylim(*limits)
            ticks(panel, epochs=False)
            _strip(panel)
            panel.xaxis.set_major_locator(MultipleLocator(20))
            if not wide or panel is axes[0]:
                panel.set_ylabel("Over BYOL (points)")
            if key == studies[-1] and (wide or panel is axes[-1]):
                panel.set_xlabel("Partners with the right label (%)")
    return figure


def _line(weight: float, place: int) -> Stroke:
    """Return how the oracle's line of one weight is drawn: the greatest solid and filled, the others hollow."""
    look, line = style.look(ORACLE), style.LINES[place % len(style.LINES)]
    return Stroke(f"{_name(ORACLE)}, weight {weight:g}", look.colour, look.marker, line, place == 0)


def _mark(method: str) -> Stroke:
    look = style.look(method)
    return Stroke(_name(method), look.colour, look.marker, "none")


def _of_weight(panel: Axes, rows: pd.DataFrame, stroke: Stroke, place: int, floor: float) -> None:
    gains = rows[rows["statistic"] == GAIN]
    oracle = gains[gains["method"] == ORACLE].sort_values("share")
    x, mean, low, high = (100 * oracle[column].to_numpy(float) for column in ("share", "mean", "low", "high"))
    if np.isfinite(low).all():
        panel.fill_between(x, low, high, color=stroke.colour, alpha=0.12, linewidth=0, zorder=2)
        for edge in (low, high):
            panel.plot(x, edge, color=stroke.colour, linestyle=stroke.line, linewidth=0.4, zorder=2)
    panel.plot(x, mean, **{**_looks(stroke), "markersize": 4.5}, zorder=3)
    for row in _records(gains[gains["method"] != ORACLE]):
        mark = replace(_mark(str(row.method)), filled=stroke.filled)
        half = [[100 * (row.mean - row.low)], [100 * (row.high - row.mean)]] if math.isfinite(row.low) else None
        looks = {**_looks(mark), "markersize": 5.0, "elinewidth": 0.8, "zorder": 4}
        panel.errorbar(100 * row.share + DODGE * (2 * place - 1), 100 * row.mean, yerr=half, **looks)
    for row in _records(rows[rows["statistic"] == ZERO]):
        _crossing(panel, row, stroke, place, floor)


def _crossing(panel: Axes, row: Any, stroke: Stroke, place: int, floor: float) -> None:
    """Draw where the gain is zero, with its interval, at the bottom of the panel; nothing where it is beyond 0 or 1."""
    if not 0 <= row.mean <= 1:
        return
    at = panel.get_xaxis_transform()
    height = STRIP * (0.3 + 0.45 * place)
    if math.isfinite(row.low):
        ends = [100 * max(row.low, 0.0), 100 * min(row.high, 1.0)]
        panel.plot(
            ends, [height] * 2, color=stroke.colour, linewidth=0.9, marker="|", markersize=4.5, markeredgewidth=0.9,
            transform=at, zorder=3,
        )  # fmt: skip
    panel.plot(100 * row.mean, height, **{**_looks(stroke), "linestyle": "none", "marker": "o"}, transform=at, zorder=4)
    panel.vlines(100 * row.mean, floor, 0, color=stroke.colour, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)


def _strip(panel: Axes) -> None:
    """Set the bottom of a panel apart: what stands there has no height."""
    low, high = panel.get_ylim()
    panel.fill_between([0, 1], 0, STRIP, transform=panel.transAxes, color=style.GRID, alpha=0.45, linewidth=0, zorder=0)
    panel.set_yticks([tick for tick in panel.get_yticks() if low + STRIP * (high - low) <= tick <= high])


def _looks(stroke: Stroke) -> dict[str, Any]:
    hollow = {} if stroke.filled else {"markerfacecolor": "none", "markeredgewidth": 0.9}
    return {"color": stroke.colour, "marker": stroke.marker, "linestyle": stroke.line, **hollow}


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the range of the vertical axis, in points: zero, the means and half as much again, so that intervals of
    three seeds do not flatten what there is to see; and room below for where the gain is zero."""  # fmt: skip
    low, high = 100 * min(rows["mean"].min(), 0.0), 100 * max(rows["mean"].max(), 0.0)
    margin = max(1.0, 0.25 * (high - low))
    return high + margin - (high - low + 2 * margin) / (1 - STRIP), high + margin


def _caption(evidence: Evidence, data: pd.DataFrame) -> str:
    used = [study for study in evidence.studies if study.key in set(data["study_key"])]
    metric = " or ".join(dict.fromkeys(metrics.in_sentence(metrics.main_metric(study)) for study in used))
    gains = data[data["statistic"] == GAIN]
    weights = sorted(set(data["weight"]), reverse=True)
    filled = f" Filled: weight {weights[0]:g}; hollow: weight {', '.join(f'{w:g}' for w in weights[1:])}."
    few = int(gains["seeds"].min()), int(gains["seeds"].max())
    over = f"{few[0]}" if few[0] == few[1] else f"{few[0]} to {few[1]}"
    sentences = [
        f"How much higher the {metric} on the test split is than BYOL's, with runs of the same seed, mean over at most "
        f"{FEW:g} % of the training labels, against the share of partners with the image's label in the last epoch.",
        "The oracle draws a partner of another label at a given rate. Selectors: same weights and settings, "
        "drawn side by side.",
        f"Lines and marks: mean over {over} seeds; bands and bars: {captions.bars(gains['seeds'])}."
        + (filled if len(weights) > 1 else ""),
        "Grey strip: the share at which the gain is zero, from a straight line fitted to the runs of the seeds that "
        "the oracle has at every rate, with the 95 % interval over seeds (jackknife, Student's t).",
        *_said(data),
        captions.LABELS_MEASURE,
    ]
    if _beyond(gains):
        sentences.insert(3, "What reaches the panel's edge goes on beyond it; the CSV has the ends.")
    return " ".join(sentences)


def _beyond(gains: pd.DataFrame) -> bool:
    for _, rows in gains.groupby("study_key"):
        low, high = _limits(rows)
        if (100 * rows["low"] < low).any() or (100 * rows["high"] > high).any():
            return True
    return False


def _said(data: pd.DataFrame) -> Iterator[str]:
    """Yield, panel by panel, where the gain is zero, and which shares the selectors reach."""
    for (study, protocol), rows in data.groupby(["study", "protocol"], sort=False):
        zeros = [f"{_percent(row)} (weight {row.weight:g})" for row in _records(rows[rows["statistic"] == ZERO])]
        yield f"{study}, {style.PROTOCOLS[str(protocol)].lower()}: zero at {titles.listing(zeros)}."
    finders = data[(data["statistic"] == GAIN) & (data["method"] != ORACLE)]
    for study, rows in finders.groupby("study", sort=False):
        told = [
            f"{_name(str(method))} {100 * found['share'].mean():.0f} % "
            f"({100 * found['share_macro'].mean():.0f} % as a mean over classes)"
            for method, found in rows.drop_duplicates(["method", "weight"]).groupby("method", sort=False)
        ]
        yield f"Shares that selectors reach, {study!s}: {titles.listing(told)}."


def _records(rows: pd.DataFrame) -> Iterator[Any]:
    return iter(rows.itertuples())


def _percent(row: Any) -> str:
    if math.isnan(row.mean):
        return "no share, since the gain does not rise with it"
    if not 0 <= row.mean <= 1:
        return f"{'less than 0' if row.mean < 0 else 'more than 100'} %"
    if math.isnan(row.low):
        return f"{100 * row.mean:.0f} %"
    return f"{100 * row.mean:.0f} % [{100 * max(row.low, 0.0):.0f}, {100 * min(row.high, 1.0):.0f}]"


def _alt(data: pd.DataFrame) -> str:
    said = ["Line charts of the gain over BYOL against the share of partners with the right label."]
    for (study, protocol), rows in data[data["statistic"] == GAIN].groupby(["study", "protocol"], sort=False):
        told = [f"{row.label}: {100 * row.mean:+.1f} at {100 * row.share:.0f} %" for row in _records(rows)]
        said.append(f"{study}, {style.PROTOCOLS[str(protocol)].lower()}: {'; '.join(told)}.")
    return " ".join(said)


ARTEFACT = Artefact("partner_errors", "How good partners must be", make, overall=True)
