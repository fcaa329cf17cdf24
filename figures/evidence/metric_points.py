"""The metric points of stored runs: kept in little memory while the runs are read, and found by name."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from figures.evidence.series import Series


class Points:
    """Metric points, run by run."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[list[str], list[int], np.ndarray, np.ndarray]] = {}

    def keep(self, run_id: int, metrics: Sequence[dict[str, Any]]) -> None:
        """Keep the points of a run. Of a run that is not whole there may be none: it is not drawn.

        Args:
            run_id: which run.
            metrics: its metrics as they are stored, by name. Where a step of a metric is there twice, the later counts.
        """
        try:
            names, lengths = [one["name"] for one in metrics], [len(one["steps"]) for one in metrics]
            steps, values = (
                np.array([number for one in metrics for number in one[key]], float) for key in ("steps", "values")
            )
        except (KeyError, TypeError, ValueError):
            return
        if len(steps) != len(values):
            return
        ascending = np.ones(len(steps), bool)
        ascending[1:] = np.diff(steps) > 0
        ascending[np.cumsum([0, *lengths])[:-1][np.array(lengths, bool)]] = True
        if len(set(names)) == len(names) and ascending.all():
            self._kept[run_id] = names, lengths, steps, values
            return
        table = pd.DataFrame({"name": np.repeat(np.array(names, object), lengths), "step": steps, "value": values})
        table = table.sort_values("name", kind="stable").drop_duplicates(["name", "step"], keep="last")
        self._kept[run_id] = [*table["name"]], [1] * len(table), table["step"].to_numpy(), table["value"].to_numpy()

    def of(self, series: Iterable[Series]) -> pd.DataFrame:
        """Return every metric point of the drawn runs of series.

        Returns:
            Columns run_id, series, seed, name, step, value; ordered by run, name and position.
        """
        runs = {run["_id"]: (one.key, run["config"]["seed"]) for one in series for run in one.runs}
        ids = [run_id for run_id in sorted(runs) if run_id in self._kept]
        kept = [self._kept[run_id] for run_id in ids]
        lengths = [len(steps) for _, _, steps, _ in kept]
        return pd.DataFrame(
            {
                "run_id": np.repeat(ids, lengths).astype(int),
                "series": np.repeat(np.array([runs[run_id][0] for run_id in ids], object), lengths),
                "seed": np.repeat([runs[run_id][1] for run_id in ids], lengths).astype(int),
                "name": _joined([np.repeat(np.array(names, object), each) for names, each, _, _ in kept], object),
                "step": _joined([steps for _, _, steps, _ in kept], float),
                "value": _joined([values for _, _, _, values in kept], float),
            }
        )


def named(points: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Return the points of the metrics whose whole name matches a regular expression."""
    found = [name for name in points["name"].unique() if re.fullmatch(pattern, name)]
    return points[points["name"].isin(found)]


def final(points: pd.DataFrame) -> pd.DataFrame:
    """Return what is left to say of metric points beside other studies.

    These are the scores by label fraction, the epochs at which a network was collapsed, and of every other metric the
    last point.
    """
    scores = ("test/", "val/")
    tests = points["name"].isin([name for name in points["name"].unique() if name.startswith(scores)])
    # A run's metric stands together, its steps ascending.
    last = (points["name"] != points["name"].shift(-1)) | (points["run_id"] != points["run_id"].shift(-1))
    collapsed = (points["name"] == "pretrain/collapsed") & (points["value"] > 0)
    return points[tests | last | collapsed]


def _joined(arrays: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
