"""The ROC curves: of each label against all others, at the largest label fraction, a panel per label."""

import functools
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions, fonts
from figures.drawing.curves import Stroke, stroke_of
from figures.drawing.panels import CHANCE, panels
from figures.evidence import titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import run_ids
from figures.evidence.series import Series
from figures.statistics.estimates import estimate

ARTIFACT = "test_scores"

SHOWN = ("supervised", "byol", "byol_tracin")
"""Methods that are drawn: more would hide each other. Methods of your own follow."""

PROTOCOL = "finetune"

SEEDS = 5
"""Of a series, at most: a mean over more looks the same."""

TITLE = 24
"""Characters in a line of a panel's title."""

GRID = np.linspace(0, 1, 101)
"""False-positive rates at which curves are averaged over seeds and stored."""


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study = evidence.study
    names = [str(name) for name in study.data["class_names"]]
    series = [
        one
        for method in (*SHOWN, *style.own(one.method for one in study.references))
        if (one := study.reference(method))
    ]
    percents = {round(100 * f, 6) for one in series for run in one.runs for f in run["config"]["evaluate"]["fractions"]}
    if not percents:
        return None
    key = f"{PROTOCOL}/{max(percents):g}"
    tables = [_curves(evidence, one, key, names) for one in series]
    data = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if data.empty:
        return None
    strokes = {one.key: stroke_of(one) for one in series if one.key in set(data["series"])}
    action = functools.partial(_draw, data, fonts.drawable(names), strokes)
    caption = _caption(evidence, data, series, max(percents))
    return Drawing(caption, data, [], action, _alt(data), artifacts=(f"{ARTIFACT}.npz",))


def _curves(evidence: Evidence, series: Series, key: str, names: list[str]) -> pd.DataFrame:
    """Return the mean curve of every label over the seeds, and the mean area under the seeds' curves."""
    from sklearn.metrics import roc_auc_score, roc_curve  # it takes a second, and only this figure needs it

    rates: dict[int, list[np.ndarray]] = {}
    areas: dict[int, list[float]] = {}
    ids: list[int] = []
    for run, arrays in evidence.of_seeds(series, ARTIFACT, SEEDS):
        if key not in arrays or not np.isfinite(arrays[key]).all():
            continue
        ids.append(run["_id"])
        labels, scores = arrays["labels"], arrays[key]
        truth = labels == 1 if labels.ndim == 2 else labels[:, None] == np.arange(scores.shape[1])
        for c in range(scores.shape[1]):
            if truth[:, c].any() and not truth[:, c].all():
                false, true, _ = roc_curve(truth[:, c], scores[:, c])
                rates.setdefault(c, []).append(np.interp(GRID, false, true))
                areas.setdefault(c, []).append(float(roc_auc_score(truth[:, c], scores[:, c])))
    tables = []
    for c in sorted(rates):
        area = estimate(areas[c])
        table = pd.DataFrame({"false_positive_rate": GRID, "true_positive_rate": np.mean(rates[c], axis=0)})
        about: dict[str, Any] = {"label": series.label, "series": series.key, "class": names[c], "number": c}
        tables.append(table.assign(**about, seeds=area.seeds, auc=area.mean, auc_low=area.low, auc_high=area.high))
    runs = " ".join(map(str, ids))
    return pd.concat(tables).assign(runs=runs) if tables else pd.DataFrame()


def _draw(data: pd.DataFrame, names: list[str], strokes: dict[str, Stroke], width: float) -> Figure:
    numbers = sorted(set(data["number"]))
    columns = min(len(numbers), 4 if width == style.TWO_COLUMNS else 2)
    figure, (axes,) = panels([len(numbers)], columns, width, [*strokes.values(), CHANCE], [True])
    for place, (number, panel) in enumerate(zip(numbers, axes, strict=True)):
        panel.plot([0, 100], [0, 100], color=CHANCE.colour, linestyle=CHANCE.line, linewidth=0.8, zorder=1)
        for key, stroke in strokes.items():
            rows = data[(data["number"] == number) & (data["series"] == key)]
            panel.plot(
                100 * rows["false_positive_rate"], 100 * rows["true_positive_rate"],
                color=stroke.colour, linestyle=stroke.line, marker=stroke.marker, markevery=25,
            )  # fmt: skip
        panel.set_title(fill(names[number], TITLE), linespacing=1.05)
        panel.set_xlim(-2, 102)
        panel.set_ylim(-2, 102)
        panel.set_xticks([0, 50, 100])
        panel.set_yticks([0, 50, 100])
        panel.tick_params(labelleft=place % columns == 0)
        if place % columns == 0:
            panel.set_ylabel("True positives (%)")
        if place >= len(numbers) - columns:
            panel.set_xlabel("False positives (%)")
    return figure


def _caption(evidence: Evidence, data: pd.DataFrame, series: list[Series], percent: float) -> str:
    drawn = set(run_ids(data["runs"].unique()))
    runs = [run for one in series for run in one.runs if run["_id"] in drawn]
    classes = evidence.study.data["class_names"]
    lacking = [str(name) for name in classes if str(name) not in set(data["class"])]
    sentences = [
        f"ROC curve of each label against all others on the test split, after fine-tuning on {percent:g} % of the "
        f"training labels; mean over {captions.seeds_averaged(runs, data['seeds'])} at equal false-positive rates."
    ]
    if lacking:
        sentences.append(f"No curve for lack of positives or negatives in the test split: {titles.listing(lacking)}.")
    return " ".join([*sentences, *filter(None, [fonts.key(list(map(str, classes)))])])


def _alt(data: pd.DataFrame) -> str:
    said = ["ROC curves by label; area under the curve:"]
    for name, rows in data.drop_duplicates(["number", "series"]).groupby("class", sort=False):
        told = ", ".join(f"{label} {auc:.2f}" for label, auc in zip(rows["label"], rows["auc"], strict=True))
        said.append(f"{name}: {told}.")
    return " ".join(said)


ARTEFACT = Artefact("roc", "ROC by label", make)
