"""The mean over seeds and how well it is known; differences between methods and what may be concluded from them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Confidence level of every interval."""

FEWEST = 3
"""Seeds that an interval takes: of two, Student's t makes 6 times their distance, which says nothing of a method."""

ROUNDING = 1e-12
"""Below this, values of the order of 1 are equal."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Args:
        seeds: number of finite values.
        undefined: number of values that were stored as NaN or infinite, and are not in the mean.
        mean: their mean; NaN if there is none.
        half_width: half the width of the confidence interval; of two values half their distance, so that `low` and
            `high` are these two; NaN below two values.
    """

    seeds: int
    undefined: int
    mean: float
    half_width: float

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width


def estimate(values: Iterable[float], level: float = LEVEL) -> Estimate:
    """Return the mean of `values` and, from three on, its Student t interval: mean -+ t_(n-1) s / sqrt(n).

    Args:
        values: one number per seed.
        level: confidence level, in (0, 1).
    """
    given = np.asarray(list(values), dtype=float)
    finite = given[np.isfinite(given)]
    n = len(finite)
    if n == 0:
        return Estimate(0, len(given), math.nan, math.nan)
    half_width = math.nan
    if n == 2:
        half_width = float(np.ptp(finite)) / 2
    elif n >= FEWEST:
        half_width = float(stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(finite))
    return Estimate(n, len(given) - n, float(finite.mean()), half_width)


@dataclass(frozen=True)
class Difference:
    """How much higher one of two paired measurements is.

    Args:
        pairs: number of pairs, of finite values.
        mean: mean difference; NaN without pairs.
        low, high: ends of its confidence interval; of two pairs the two differences; NaN below two pairs.
        p: two-sided p-value of the paired t-test; NaN below three pairs, and where all differences are equal.
    """

    pairs: int
    mean: float
    low: float
    high: float
    p: float


def difference(differences: Iterable[float], level: float = LEVEL) -> Difference:
    """Return the mean of paired differences with, from three on, its t-interval and the paired t-test (scipy).

    Args:
        differences: one per pair, such as a seed.
        level: confidence level, in (0, 1).
    """
    given = np.asarray(list(differences), dtype=float)
    mean = estimate(given, level)
    p = math.nan
    if mean.seeds >= FEWEST and mean.half_width > ROUNDING:
        p = float(stats.ttest_1samp(given[np.isfinite(given)], 0.0).pvalue)
    return Difference(mean.seeds, mean.mean, mean.low, mean.high, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm 1979, by statsmodels); NaN stays, and does not count."""
    from statsmodels.stats.multitest import multipletests  # it takes seconds, and few artefacts test anything

    adjusted = np.asarray(p_values, dtype=float)
    counted = np.isfinite(adjusted)
    if counted.any():
        adjusted[counted] = multipletests(adjusted[counted], method="holm")[1]
    return [float(p) for p in adjusted]
