"""Means of test scores over seeds: one row for every method, protocol and label fraction, also without any run."""

from collections.abc import Sequence

import pandas as pd

from figures import style
from figures.evidence import metrics
from figures.evidence.scores import seed_scores
from figures.evidence.series import Series
from figures.evidence.study import Study
from figures.statistics.estimates import estimate

COLUMNS = (
    "protocol", "method", "label", "series", "percent", "metric",
    "seeds", "undefined", "mean", "low", "high", "runs",
)  # fmt: skip


def score_table(study: Study, points: pd.DataFrame, series: Sequence[Series]) -> pd.DataFrame:
    """Return the main test metric of series, protocols and label fractions of a study.

    Args:
        study: the study.
        points: its metric points, from `Points.of`.
        series: which of its series.

    Returns:
        One row per cell with COLUMNS: the metric lies in [0, 1]; low and high end its interval over seeds (NaN below
        two); undefined counts seeds that stored NaN; runs are the ids behind it. A missing cell has no seeds.
    """
    metric = metrics.main_metric(study)
    tested = [one for one in series if one.tested]
    found = seed_scores(study, points)
    found = found[found["series"].isin([one.key for one in tested])]
    cells = dict(iter(found.groupby(["protocol", "series", "percent"])))
    percents, protocols = _percents(tested, found), _protocols(tested, found)
    table = []
    for protocol in protocols:
        for one in tested:
            for percent in percents:
                rows = cells.get((protocol, one.key, percent))
                value = estimate([] if rows is None else rows["value"])
                runs = "" if rows is None else " ".join(map(str, rows["run_id"]))
                cell = (protocol, one.method, one.label, one.key, percent, metric)
                table.append((*cell, value.seeds, value.undefined, value.mean, value.low, value.high, runs))
    return pd.DataFrame(table, columns=list(COLUMNS))


def _protocols(series: Sequence[Series], found: pd.DataFrame) -> list[str]:
    asked = {p for one in series for run in one.runs for p in run["config"]["evaluate"]["protocols"]}
    return sorted({*found["protocol"], *asked}, key=lambda name: style.rank(name, style.PROTOCOLS))


def _percents(series: Sequence[Series], found: pd.DataFrame) -> list[float]:
    asked = {round(100 * f, 6) for one in series for run in one.runs for f in run["config"]["evaluate"]["fractions"]}
    return sorted({*found["percent"], *asked})
