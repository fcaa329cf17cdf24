"""Test scores of single runs, by protocol and label fraction."""

from collections.abc import Iterable

import pandas as pd

from figures.evidence import metrics
from figures.evidence.metric_points import named
from figures.evidence.study import Study


def seed_scores(study: Study, points: pd.DataFrame, metric: str | None = None) -> pd.DataFrame:
    """Return a test metric of every run, protocol and label fraction of a study.

    Args:
        study: the study.
        points: its metric points, from `Points.of`.
        metric: which; None for the main one.

    Returns:
        Columns protocol, percent, series, seed, run_id, value; in the order of runs, then names.
    """
    found = named(points, f"test/[^/]+/{metric or metrics.main_metric(study)}")
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
