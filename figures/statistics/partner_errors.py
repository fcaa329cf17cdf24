"""Gain over BYOL against the share of right partners: oracles that err, selectors, and where the gain is zero."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from figures.evidence.scores import seed_scores
from figures.evidence.series import FAINT, UNTOLD, Series, flat
from figures.evidence.study import Study
from figures.statistics.differences import BASELINE, MEAN, gains
from figures.statistics.estimates import FEWEST, LEVEL

ORACLE, SELECTORS = "byol_oracle", ("byol_tracin", "byol_cosine", "byol_random")
"""The methods that are compared: one whose partners are right at a given rate, and those that find partners."""

FEW = 10.0
"""Up to which share of the training labels, in percent, they are few."""

ERROR = "selector.error"


@dataclass(frozen=True)
class Line:
    """Oracles that differ in nothing but how often they err, and selectors with the same settings.

    Args:
        weight: of the additional positive's loss.
        oracles: by rate of errors, ascending.
        selectors: in the order of `SELECTORS`, those that have runs.
    """

    weight: float
    oracles: tuple[Series, ...]
    selectors: tuple[Series, ...]


@dataclass(frozen=True)
class Crossing:
    """Where the gain is zero.

    Args:
        share: of right partners, from a straight line through the points; NaN where the line does not rise.
        low, high: 95 % interval: the jackknife over seeds with Student's t; NaN with one or two seeds, or where a line
            without one of them does not rise.
        slope: of the line, gain per share.
    """

    share: float
    low: float
    high: float
    slope: float


def lines_of(study: Study) -> list[Line]:
    """Return the lines of a study with at least two rates of errors, by weight.

    Of several with one weight the one beside most selectors, then that with most runs.
    """
    groups: list[list[Series]] = []
    for one in study.series:
        if one.method == ORACLE and one.runs and one.tested:
            same = next((group for group in groups if _alike(group[0], one, (ERROR,))), None)
            groups.append([one]) if same is None else same.append(one)
    found = []
    for group in groups:
        if len({error_of(one) for one in group}) > 1:
            others = (one for method in SELECTORS for one in study.series if one.method == method)
            same = [
                one for one in others if one.runs and one.tested and _alike(group[0], one, ("selector.name", ERROR))
            ]
            found.append(Line(weight_of(group[0]), tuple(sorted(group, key=error_of)), tuple(same)))
    found.sort(key=lambda line: (-len(line.selectors), -sum(len(one.runs) for one in line.oracles)))
    of_weight: dict[float, Line] = {}
    for line in found:
        of_weight.setdefault(line.weight, line)
    return sorted(of_weight.values(), key=lambda line: line.weight)


def error_of(series: Series) -> float:
    """Return how often a series' oracle errs; runs that were stored before it could err do not say so."""
    return float(series.runs[0]["config"]["selector"].get("error", 0.0))


def weight_of(series: Series) -> float:
    """Return the weight of a series' additional positive."""
    return float(series.runs[0]["config"]["selector"]["weight"])


def against_byol(study: Study, points: pd.DataFrame, series: Series) -> pd.DataFrame:
    """Return how right a series' partners were, and how much better it classifies than BYOL with few labels.

    Args:
        study: whose series it is.
        points: the study's metric points, from `points.final`.
        series: which.

    Returns:
        One row per protocol and seed that both have: columns protocol, seed, share and share_macro, of partners with
        the image's label in the last epoch, in [0, 1]; gain, of the main test metric, in [-1, 1], as the mean over the
        label fractions up to `FEW` percent; run and run_of_byol. Empty without runs of BYOL.
    """
    base = study.reference(BASELINE)
    if base is None:
        return pd.DataFrame(columns=["protocol", "seed", "share", "share_macro", "gain", "run", "run_of_byol"])
    scores = seed_scores(study, points)
    gain = gains(scores[scores["percent"] <= FEW], series, base)[MEAN].rename("gain").dropna().reset_index()
    mine = points[points["series"] == series.key]
    for column, ending in (("share", ""), ("share_macro", "_macro")):
        stored = mine[mine["name"] == f"partners/{selector_of(series)}/same_label{ending}"]
        gain[column] = gain["seed"].map(stored.set_index("seed")["value"])
    for column, one in (("run", series), ("run_of_byol", base)):
        gain[column] = gain["seed"].map({run["config"]["seed"]: run["_id"] for run in one.runs})
    return gain.dropna(subset="share")


def selector_of(series: Series) -> str:
    """Return the name under which a series' partners are measured."""
    config = series.runs[0]["config"]
    name = config["selector"]["name"]
    return f"tracin_{config['tracin']['normalize']}" if name == "tracin" else str(name)


def complete(oracles: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all oracles of a line, of the seeds that every one has.

    Other seeds would count as degrees of freedom of the line, and hardly tell its slope.

    Args:
        oracles: the rows of each, with a column seed.
    """
    common = set.intersection(*(set(rows["seed"]) for rows in oracles))
    every = pd.concat(oracles)
    return every[every["seed"].isin(common)]


def crossing(measured: pd.DataFrame) -> Crossing:
    """Return where the gain is zero: the zero of a straight line, fitted by least squares to all runs.

    Args:
        measured: one row per run, columns seed, share and gain; of a seed all runs are drawn together.
    """
    products = measured.assign(n=1.0, xx=measured["share"] ** 2, xy=measured["share"] * measured["gain"])
    sums = products.groupby("seed")[["n", "share", "gain", "xx", "xy"]].sum().to_numpy()
    slope, share = _fitted(sums.sum(axis=0))
    n = len(sums)
    if n < FEWEST:
        return Crossing(float(share), math.nan, math.nan, float(slope))
    _, without = _fitted(sums.sum(axis=0) - sums)  # the zero without each seed in turn; NaN where a line does not rise
    error = math.sqrt((n - 1) / n * float(np.square(without - without.mean()).sum()))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return Crossing(float(share), float(share) - half, float(share) + half, float(slope))


def _fitted(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and zero of lines from the sums n, x, y, xx, xy `[..., 5]`; NaN for lines that do not rise."""
    n, x, y, xx, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (n * xy - x * y) / (n * xx - x * x)
        return slope, np.where(slope > 0, (x - y / slope) / n, np.nan)


def _alike(one: Series, other: Series, but: Sequence[str]) -> bool:
    """Whether two series agree in every setting that both tell, but for some."""
    mine, theirs = (dict(_settings(series, but)) for series in (one, other))
    return all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())


def _settings(series: Series, but: Sequence[str]) -> Iterator[tuple[str, object]]:
    for name, value in flat(series.runs[0]["config"]):
        if name not in (*UNTOLD, *FAINT, *but):
            yield name, value
