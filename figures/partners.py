"""What runs store of their partners, by selector: which series measured them, and how selectors are told."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from figures import captions, panels, style
from figures.curves import Stroke
from figures.points import named
from figures.series import Series
from figures.study import Study

CHANCE = "chance"
"""Stands for a selector where partners are drawn at random from the batch."""

LABELS_MEASURE = "Labels are used to measure, never to select (except by the oracle)."


def measuring(study: Study, points: pd.DataFrame) -> list[Series]:
    """Return the series of a study in whose training partners were measured."""
    measured = set(named(points, "partners/.+/same_label")["series"])
    return [series for series in study.series if series.key in measured]


def gain_over(points: pd.DataFrame, series: Series, other: str = CHANCE) -> pd.Series:
    """Return, by run id, how much more often TracIn's partners shared a label than another selector's, at the end.

    Args:
        points: of `points.final`.
        series: runs that TracIn's partners trained.
        other: whose partners; a selector that was measured in the same runs, or CHANCE.
    """
    mine = points[points["series"] == series.key]
    name = f"partners/tracin_{series.runs[0]['config']['tracin']['normalize']}/same_label"
    theirs = "partners/chance" if other == CHANCE else f"partners/{other}/same_label"
    same, than = (mine[mine["name"] == n].set_index(["run_id", "step"])["value"] for n in (name, theirs))
    return (same - than).dropna().droplevel("step")  # both of the same epoch


def sampling(runs: Iterable[dict[str, Any]]) -> list[str]:
    """Return a sentence on how often selectors were measured; none where all were in every batch, as runs once did."""
    every = {run["config"]["selector"].get("measure_every", 1) for run in runs}
    if every <= {1}:
        return []
    rates = captions.listing([f"{number}" for number in sorted(every)])
    return [f"The selector that trains is measured in every batch, the others in one batch of {rates}."]


def selector_of(metric: str) -> str:
    """Return whose partners a metric tells of: "cosine" for partners/cosine/same_label, else CHANCE."""
    parts = metric.split("/")
    return parts[1] if len(parts) == 3 else CHANCE


def stroke_of(selector: str) -> Stroke:
    """Return the name in print and the curve of a selector, or of CHANCE."""
    if selector == CHANCE:
        return panels.CHANCE
    look = style.look(selector, style.SELECTORS)
    return Stroke(look.label, look.colour, look.marker)


def rank(selector: str) -> tuple[bool, tuple[int, str]]:
    """Return a sort key: known selectors in their order, then the others by name, then CHANCE."""
    return (selector == CHANCE, style.rank(selector, style.SELECTORS))
