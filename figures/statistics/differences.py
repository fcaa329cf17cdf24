"""Every method against plain BYOL, seed by seed: the difference, its interval, and a corrected test."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from figures.evidence.scores import seed_scores
from figures.evidence.series import Series
from figures.evidence.study import Study
from figures.statistics.estimates import difference, holm

BASELINE = "byol"

MEAN = "mean"
"""Stands for a label fraction where the mean over all fractions of a run is compared."""

COLUMNS = (
    "protocol", "method", "label", "series", "percent", "seeds", "mean", "low", "high", "p", "p_holm", "each", "runs",
)  # fmt: skip
"""`each` has the difference of every pair, as seed:value."""


def differences(study: Study, points: pd.DataFrame) -> pd.DataFrame:
    """Return by how much every series is better than BYOL, paired by seed.

    Args:
        study: the study.
        points: its metric points.

    Returns:
        One row per protocol, series and label fraction (a number in percent, or MEAN) that both have seeds of, with
        COLUMNS; the main test metric, in [-1, 1]. Only the MEAN is tested; p_holm is adjusted for the number of
        series that are compared under the same protocol.
    """
    base = study.reference(BASELINE)
    if base is None:
        return pd.DataFrame(columns=list(COLUMNS))
    scores = seed_scores(study, points)
    rows = [row for series in study.references if series.key != base.key for row in _against(base, series, scores)]
    table = pd.DataFrame(rows, columns=[column for column in COLUMNS if column != "p_holm"])
    tested = table["percent"] == MEAN
    table["p_holm"] = table[tested].groupby("protocol", sort=False)["p"].transform(lambda p: holm(list(p)))
    return table[list(COLUMNS)]


def gains(scores: pd.DataFrame, series: Series, base: Series) -> pd.DataFrame:
    """Return by how much a series is better than another, seed by seed.

    Args:
        scores: from `scores.seed_scores`.
        series, base: the two.

    Returns:
        One row per protocol and seed that both have, one column per label fraction that both have, and MEAN, their
        mean: NaN where the seed lacks one of them.
    """
    mine, theirs = (_by_seed(scores, one) for one in (series, base))
    found = mine.sub(theirs).loc[mine.index.intersection(theirs.index), mine.columns.intersection(theirs.columns)]
    return found.assign(**{MEAN: found.mean(axis=1, skipna=False)})


def one_by_one(values: pd.Series) -> str:
    """Return values as text, each after its index: "0:1.5 1:-0.25"."""
    return " ".join(f"{index}:{value:.6g}" for index, value in values.items())


def _by_seed(scores: pd.DataFrame, series: Series) -> pd.DataFrame:
    return scores[scores["series"] == series.key].pivot(index=["protocol", "seed"], columns="percent", values="value")


def _against(base: Series, series: Series, scores: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    table = gains(scores, series, base)
    ids = {one.key: {run["config"]["seed"]: run["_id"] for run in one.runs} for one in (series, base)}
    for protocol, gain in table.groupby(level="protocol", sort=False):
        for percent in gain.columns:
            found = gain[percent].droplevel("protocol").dropna()
            result = difference(found)
            runs = " ".join(str(ids[one.key][seed]) for seed in found.index for one in (series, base))
            p = result.p if percent == MEAN else math.nan
            cell = (protocol, series.method, series.label, series.key, percent)
            yield (*cell, result.pairs, result.mean, result.low, result.high, p, one_by_one(found), runs)
