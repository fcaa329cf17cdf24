"""The training curves: losses and spread of features in pretraining, validation metric in fine-tuning."""

import functools
import re

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.curves import Stroke, draw, over_seeds, stroke_of
from figures.drawing.panels import panels, ticks
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.study import Study

LOSS, LOSS_BYOL = "pretrain/loss", "pretrain/loss_byol"

PRETRAINING = {
    LOSS_BYOL: "BYOL loss",
    "pretrain/loss_partner": "Partner loss",
    LOSS: "Loss of other methods",
    "pretrain/feature_std": "Feature std.",
}
"""Titles of the panels. The whole loss is drawn only of methods that do not store its parts."""

_TOLD = {
    LOSS_BYOL: "BYOL loss",
    "pretrain/loss_partner": "loss of the additional positive (before its weight)",
    LOSS: "loss of the other methods (each its own)",
    "pretrain/feature_std": "standard deviation of the normalised features (1: isotropic, 0: collapsed)",
}

_VALIDATION = re.compile(r"finetune/([\d.e+-]+)/val")


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study, points = evidence.study, evidence.points
    in_parts = set(points.loc[points["name"] == LOSS_BYOL, "series"])
    points = points[(points["name"] != LOSS) | ~points["series"].isin(in_parts)]
    stored = set(points["name"])
    losses = [name for name in PRETRAINING if name in stored]
    percents = {name: float(match[1]) for name in stored if (match := _VALIDATION.fullmatch(name))}
    names = [*losses, *sorted(percents, key=lambda name: percents[name])]
    drawn_series = list({one.key: one for one in (*study.references, *study.trainers)}.values())  # mostly the same
    curves = over_seeds(points, drawn_series, names)
    if curves.empty:
        return None
    drawn = set(curves["series"])
    strokes = {series.key: stroke_of(series) for series in drawn_series if series.key in drawn}
    headings = {**PRETRAINING, **{name: f"Fine-tuning, {percent:g} %" for name, percent in percents.items()}}
    groups = [group for group in (losses, names[len(losses) :]) if group]
    metric = metrics.METRICS[metrics.main_metric(study)]
    action = functools.partial(_draw, curves, strokes, groups, headings, metric)
    return Drawing(_caption(study, curves, metric), curves, names, action, _alt(study, curves, headings))


def _draw(
    curves: pd.DataFrame,
    strokes: dict[str, Stroke],
    groups: list[list[str]],
    headings: dict[str, str],
    metric: str,
    width: float,
) -> Figure:
    columns = 4 if width == style.TWO_COLUMNS else 2
    shared = [group[0] not in PRETRAINING for group in groups]
    figure, rows = panels(
        [len(group) for group in groups], columns, width, list(dict.fromkeys(strokes.values())), shared
    )
    for group, axes in zip(groups, rows, strict=True):
        for position, (name, panel) in enumerate(zip(group, axes, strict=True)):
            fine_tuning = name not in PRETRAINING
            draw(panel, curves[curves["metric"] == name], strokes, "series", 100 if fine_tuning else 1)
            panel.set_title(headings[name])
            if fine_tuning:
                panel.tick_params(labelleft=position % columns == 0)
                panel.set_ylabel(f"{metric} (%)" if position % columns == 0 else "")
            ticks(panel, epochs=True)
            if position >= len(group) - columns:
                panel.set_xlabel("Step" if fine_tuning else "Epoch")
    return figure


def _caption(study: Study, curves: pd.DataFrame, metric: str) -> str:
    pretrained = curves["metric"].isin(list(PRETRAINING))
    sentences = []
    if pretrained.any():
        drawn = set(curves["metric"])
        sentences.append(f"Pretraining by epoch: {titles.listing([_TOLD[n] for n in PRETRAINING if n in drawn])}.")
    if not pretrained.all():
        sentences.append(
            f"Fine-tuning by optimiser step: {metric[0].lower()}{metric[1:]} on the validation split, "
            "per label fraction."
        )
    if curves["seeds"].max() > 1:
        over = captions.seeds_averaged(study.own_runs, curves["seeds"])
        sentences.append(f"Lines: mean over {over}; bands: lowest to highest seed.")
    else:
        sentences.append(f"One seed per line ({titles.seeds(study.own_runs)}).")
    without = [s.label for s in study.references if s.runs and s.key not in set(curves.loc[pretrained, "series"])]
    if pretrained.any() and without:
        sentences.append(f"Runs without pretraining: {titles.listing(without)}.")
    return " ".join(filter(None, [*sentences, captions.references(study)]))


def _alt(study: Study, curves: pd.DataFrame, headings: dict[str, str]) -> str:
    said = ["Line charts of training."]
    for name, rows in curves.groupby("metric", sort=False):
        lasts = [f"{label} {last['mean'].iloc[-1]:.3g}" for label, last in rows.groupby("label", sort=False)]
        said.append(f"{headings[str(name)]}, last value: {'; '.join(lasts)}.")
    return " ".join(said)


ARTEFACT = Artefact("training_curves", "Training curves", make)
