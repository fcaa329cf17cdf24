"""What runs store of their partners, by selector: which series measured them, and by how much selectors differ."""

import pandas as pd

from figures.evidence.metric_points import named
from figures.evidence.series import Series
from figures.evidence.study import Study

CHANCE = "chance"
"""Stands for a selector where partners are drawn at random from the batch."""


def measuring(study: Study, points: pd.DataFrame) -> list[Series]:
    """Return the series of a study in whose training partners were measured."""
    measured = set(named(points, "partners/.+/same_label")["series"])
    return [series for series in study.series if series.key in measured]


OVER_CLASSES, OVER_IMAGES = "_macro", ""
"""How a same-label rate is averaged: over classes, or over images. Over images, a selector that knows nothing and gives
everybody an image of the most frequent class is better than chance; over classes, where images have one label, it is
not."""


def gain_over(points: pd.DataFrame, series: Series, other: str = CHANCE, averaged: str = OVER_CLASSES) -> pd.Series:
    """Return, by run id, how much more often TracIn's partners shared a label than another selector's, at the end.

    Args:
        points: of `points.final`.
        series: runs that TracIn's partners trained.
        other: whose partners; a selector that was measured in the same runs, or CHANCE.
        averaged: OVER_CLASSES or OVER_IMAGES.
    """
    mine = points[points["series"] == series.key]
    name = f"partners/tracin_{series.runs[0]['config']['tracin']['normalize']}/same_label{averaged}"
    theirs = f"partners/chance{averaged}" if other == CHANCE else f"partners/{other}/same_label{averaged}"
    same, than = (mine[mine["name"] == n].set_index(["run_id", "step"])["value"] for n in (name, theirs))
    return (same - than).dropna().droplevel("step")  # both of the same epoch


def selector_of(metric: str) -> str:
    """Return whose partners a metric tells of: "cosine" for partners/cosine/same_label, else CHANCE."""
    parts = metric.split("/")
    return parts[1] if len(parts) == 3 else CHANCE
