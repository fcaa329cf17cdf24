"""Whether a method learned more than random weights give, by linear readouts on validation images."""

import numpy as np
import pandas as pd

from figures.evidence import metrics
from figures.evidence.series import Origin, Series
from figures.evidence.study import Study
from figures.statistics.estimates import difference

BASELINE = "random_init"


def gains(study: Study, points: pd.DataFrame, method: str, origin: Origin | None = None) -> pd.Series:
    """Return by seed how much the readout of a method is above that of random weights, in [-1, 1]; empty if unknown.

    It is what the runs measured at the end of their pretraining. Where they did not, or where encoders come from other
    images, it is the linear probe on the validation split with all labels, against that of the runs of random weights.

    Args:
        study: the study.
        points: its metric points.
        method: which method.
        origin: where its encoders come from, for transfer.
    """
    trained = study.trainer(method) if origin is None else None
    measured = {
        run["config"]["seed"]: run["info"]["learning"]["readout"] - run["info"]["learning"]["random"]
        for run in (trained.runs if trained else ())
        if "learning" in run["info"]
    }
    if measured:
        return pd.Series(measured, dtype=float).sort_index()
    one, other = study.reference(method, origin), study.reference(BASELINE)
    if one is None or other is None:
        return pd.Series(dtype=float)
    return (_probed(study, points, one) - _probed(study, points, other)).dropna()


def learned(gain: pd.Series) -> bool | None:
    """Return whether a gain is above 0: by its 95 % t-interval, of one or two seeds by their signs; None if unknown."""
    if gain.empty:
        return None
    if len(gain) == 1:
        return bool(gain.iloc[0] > 0)
    found = difference(gain)
    return bool(found.mean > 0 and (found.low > 0 or np.ptp(gain) == 0))


def _probed(study: Study, points: pd.DataFrame, series: Series) -> pd.Series:
    name = f"val/linear/{metrics.main_metric(study)}"
    rows = points[(points["name"] == name) & (points["step"] == 100) & (points["series"] == series.key)]
    return rows.set_index("seed")["value"]
