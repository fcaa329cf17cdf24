"""The mean over seeds and how well it is known."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Confidence level of every interval."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Args:
        seeds: number of finite values.
        undefined: number of values that were stored as NaN or infinite, and are not in the mean.
        mean: their mean; NaN if there is none.
        half_width: half the width of the confidence interval; NaN below two values.
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
    """Return the mean of `values` and its Student t interval: mean -+ t_(n-1) s / sqrt(n).

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
    if n > 1:
        half_width = float(stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(finite))
    return Estimate(n, len(given) - n, float(finite.mean()), half_width)
