"""The label-efficiency figure: test metric against label fraction, a line per method, a panel per protocol."""

import functools

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.curves import stroke_of
from figures.drawing.label_fractions import draw, edge_note
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import metric_names
from figures.evidence.study import Study
from figures.statistics.score_table import score_table


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study, points = evidence.study, evidence.points
    scores = score_table(study, points, study.references)
    shown = scores[scores["seeds"] > 0]
    if shown.empty:
        return None
    strokes = {series.key: stroke_of(series) for series in study.references if series.key in set(shown["series"])}
    label = f"{metrics.METRICS[metrics.main_metric(study)]} (%)"
    action = functools.partial(draw, shown, strokes, label, None)
    return Drawing(_caption(study, shown), scores, metric_names(scores), action, _alt(shown, label))


def _caption(study: Study, shown: pd.DataFrame) -> str:
    metric = metrics.METRICS[metrics.main_metric(study)]
    runs = [run for series in study.references if series.tested for run in series.runs]
    sentences = [f"{metric} on the test split against the label fraction (log scale)."]
    if shown["seeds"].max() > 1:
        over = captions.seeds_averaged(runs, shown["seeds"])
        sentences.append(f"Points: mean over {over}; bars: {captions.bars(shown['seeds'])}; drawn side by side.")
        if (shown["seeds"] == 1).any():
            sentences.append("Points of one seed have no bar.")
        sentences.append(edge_note(shown))
    else:
        sentences.append(f"One seed per point ({titles.seeds(runs)}), so there is no interval.")
    sentences.append(captions.references(study))
    if len(shown) < len(shown.drop_duplicates("series")) * shown["protocol"].nunique() * shown["percent"].nunique():
        sentences.append("Where a point is missing, no stored run gives it.")
    return " ".join(filter(None, sentences))


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
