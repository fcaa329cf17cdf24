"""Test scores: one row for every method, protocol and label fraction, also where no run gives a number."""

import pandas as pd

from figures import captions, style
from figures.records import Study
from figures.stats import estimate

COLUMNS = (
    "protocol", "method", "label", "series", "percent", "metric",
    "seeds", "undefined", "mean", "low", "high", "runs",
)  # fmt: skip


def test_scores(study: Study, points: pd.DataFrame) -> pd.DataFrame:
    """Return the main test metric of every series, protocol and label fraction of a study.

    Args:
        study: the study.
        points: its metric points, from `records.points_of`.

    Returns:
        One row per cell with COLUMNS: the metric lies in [0, 1]; low and high end its interval over seeds (NaN below
        two); undefined counts seeds that stored NaN; runs are the ids behind it. A missing cell has no seeds.
    """
    metric = captions.main_metric(study)
    tested = [series for series in study.series if series.tested]
    names = {f"test/{protocol}/{metric}": protocol for protocol in _protocols(study, points)}
    found = points[points["name"].isin(list(names))]
    cells = dict(iter(found.groupby(["name", "series", "step"])))
    table = []
    for name, protocol in names.items():
        for series in tested:
            for percent in _percents(study, points):
                rows = cells.get((name, series.key, percent))
                value = estimate([] if rows is None else rows["value"])
                runs = "" if rows is None else " ".join(map(str, rows["run_id"]))
                cell = (protocol, series.method, series.label, series.key, percent, metric)
                table.append((*cell, value.seeds, value.undefined, value.mean, value.low, value.high, runs))
    return pd.DataFrame(table, columns=list(COLUMNS))


def metric_names(scores: pd.DataFrame) -> list[str]:
    """Return the names of the metrics that a table of test scores was made from."""
    return sorted({f"test/{row.protocol}/{row.metric}" for row in scores.itertuples()})


def run_ids(table: pd.DataFrame) -> list[int]:
    """Return the ids in the `runs` column of a table, ascending."""
    return sorted({int(run_id) for runs in table["runs"] for run_id in runs.split()})


def _protocols(study: Study, points: pd.DataFrame) -> list[str]:
    stored = {name.split("/")[1] for name in points["name"].unique() if name.startswith("test/")}
    asked = {protocol for run in study.runs for protocol in run["config"]["evaluate"]["protocols"]}
    return sorted(stored | asked, key=lambda name: style.rank(name, style.PROTOCOLS))


def _percents(study: Study, points: pd.DataFrame) -> list[float]:
    stored = set(points.loc[points["name"].str.startswith("test/"), "step"].astype(float))
    asked = {round(100 * f, 6) for run in study.runs for f in run["config"]["evaluate"]["fractions"]}
    return sorted(stored | asked)
