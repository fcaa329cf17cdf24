"""Test scores: one row for every method, protocol and label fraction, also where no run gives a number."""

from collections.abc import Iterable, Sequence

import pandas as pd

from figures import captions, style
from figures.points import named
from figures.series import Series
from figures.stats import estimate
from figures.study import Study

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
    metric = captions.main_metric(study)
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


def seed_scores(study: Study, points: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """Return a test metric of every run, protocol and label fraction of a study.

    Args:
        study: the study.
        points: its metric points, from `Points.of`.
        metric: which; None for the main one.

    Returns:
        Columns protocol, percent, series, seed, run_id, value; in the order of runs, then names.
    """
    found = named(points, f"test/[^/]+/{metric or captions.main_metric(study)}")
    return pd.DataFrame(
        {
            "protocol": found["name"].str.split("/").str[1],
            "percent": found["step"].astype(float),
            **{column: found[column] for column in ("series", "seed", "run_id", "value")},
        }
    )


def metric_names(scores: pd.DataFrame) -> list[str]:
    """Return the names of the metrics that a table of test scores was made from."""
    pairs = scores[["protocol", "metric"]].drop_duplicates()
    return sorted(f"test/{row.protocol}/{row.metric}" for row in pairs.itertuples())


def run_ids(runs: Iterable[str]) -> list[int]:
    """Return the ids in a `runs` column, ascending."""
    return sorted({int(run_id) for listed in runs for run_id in listed.split()})


def _protocols(series: Sequence[Series], found: pd.DataFrame) -> list[str]:
    asked = {p for one in series for run in one.runs for p in run["config"]["evaluate"]["protocols"]}
    return sorted({*found["protocol"], *asked}, key=lambda name: style.rank(name, style.PROTOCOLS))


def _percents(series: Sequence[Series], found: pd.DataFrame) -> list[float]:
    asked = {round(100 * f, 6) for one in series for run in one.runs for f in run["config"]["evaluate"]["fractions"]}
    return sorted({*found["percent"], *asked})
