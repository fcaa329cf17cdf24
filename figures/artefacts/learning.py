"""The figure of learning: quality of frozen features during pretraining, compared with random weights."""

import functools

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.curves import Stroke, draw, over_seeds, stroke_of
from figures.drawing.panels import panels, ticks
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.study import Study

RANDOM = Stroke("Random weights (mean)", style.INK, "", (0, (3, 2)))
"""Every curve begins at the weights of its own seed; the line is their mean."""


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study; None where no run was looked at while it trained."""
    study = evidence.study
    metric = metrics.main_metric(study)
    headings = {
        f"probe/linear/{metric}": f"Linear readout, {metrics.in_sentence(metric)} (%)",
        f"probe/knn/{metric}": f"kNN, {metrics.in_sentence(metric)} (%)",
        "probe/rank_features": "Effective rank, features",
        "probe/rank_projections": "Effective rank, projections",
        "probe/alignment": "Alignment of views",
        "probe/uniformity": "Uniformity",
    }
    curves = over_seeds(evidence.points, study.trainers, headings)
    if curves.empty:
        return None
    drawn = set(curves["series"])
    strokes = {one.key: stroke_of(one) for one in study.trainers if one.key in drawn}
    action = functools.partial(_draw, curves, strokes, headings)
    return Drawing(_caption(study, curves), curves, [*headings], action, _alt(curves, headings))


def _draw(curves: pd.DataFrame, strokes: dict[str, Stroke], headings: dict[str, str], width: float) -> Figure:
    shown = [name for name in headings if name in set(curves["metric"])]
    columns = 3 if width == style.TWO_COLUMNS else 2
    figure, (axes,) = panels([len(shown)], columns, width, [RANDOM, *strokes.values()], [False])
    for position, (name, panel) in enumerate(zip(shown, axes, strict=True)):
        rows = curves[curves["metric"] == name]
        factor = 100 if _is_score(name) else 1
        _random(panel, rows, factor)
        draw(panel, rows, strokes, "series", factor)
        panel.set_title(headings[name] if width == style.TWO_COLUMNS else headings[name].partition(",")[0])
        ticks(panel, epochs=True)
        if position >= len(shown) - columns:
            panel.set_xlabel("Epoch")
    return figure


def _random(panel: Axes, rows: pd.DataFrame, factor: float) -> None:
    start = rows.loc[rows["step"] == 0, "mean"]
    if len(start):
        panel.axhline(factor * start.mean(), color=RANDOM.colour, linestyle=RANDOM.line, linewidth=0.8, zorder=1)


def _is_score(name: str) -> bool:
    return name.startswith(("probe/linear/", "probe/knn/"))


def _caption(study: Study, curves: pd.DataFrame) -> str:
    sentences = [
        "Evaluation of the frozen network during pretraining; epoch 0 is random weights. Readout: ridge regression on "
        "at most 2,000 training images, tested on the validation split; kNN likewise. Effective rank: RankMe. "
        "Alignment: mean squared distance of two views of an image (lower is closer). Uniformity: log mean "
        "exp(−2 d²) over pairs of images (lower is more even), both of normalised projections. No test image is read."
    ]
    if curves["seeds"].max() > 1:
        over = captions.seeds_averaged(study.own_runs, curves["seeds"])
        sentences.append(f"Lines: mean over {over}; bands: lowest to highest seed.")
    else:
        sentences.append(f"One seed per line ({titles.seeds(study.own_runs)}).")
    return " ".join(filter(None, [*sentences, captions.references(study)]))


def _alt(curves: pd.DataFrame, headings: dict[str, str]) -> str:
    said = ["Line charts of the quality of frozen features during pretraining."]
    for name, rows in curves.groupby("metric", sort=False):
        factor = 100 if _is_score(str(name)) else 1
        told = [
            f"{label} from {factor * found['mean'].iloc[0]:.3g} to {factor * found['mean'].iloc[-1]:.3g}"
            for label, found in rows.groupby("label", sort=False)
        ]
        said.append(f"{headings[str(name)]}: {'; '.join(told)}.")
    return " ".join(said)


ARTEFACT = Artefact("learning", "What is learned during pretraining", make)
