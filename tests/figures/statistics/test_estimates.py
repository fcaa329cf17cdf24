import math
from types import SimpleNamespace

import pytest
from scipy import integrate

from figures.drawing.cells import cell, signed
from figures.statistics.estimates import difference, estimate


def t_quantile(p: float, freedom: int) -> float:
    """Student's t quantile by bisection of the integrated density, without scipy.stats."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    low, high = 0.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        area, _ = integrate.quad(lambda x: scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2), 0, middle)
        low, high = (middle, high) if 0.5 + area < p else (low, middle)
    return low


def test_interval_is_the_textbook_formula() -> None:
    values = [0.61, 0.64, 0.58, 0.66]
    mean = sum(values) / 4
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 3)
    half = t_quantile(0.975, 3) * deviation / math.sqrt(4)
    found = estimate(values)
    assert t_quantile(0.975, 3) == pytest.approx(3.18245, abs=1e-5)  # as printed in every table of t
    assert (found.seeds, found.mean) == (4, pytest.approx(mean))
    assert (found.low, found.high) == (pytest.approx(mean - half), pytest.approx(mean + half))


def test_one_seed_has_a_mean_and_no_interval() -> None:
    found = estimate([0.5])
    assert (found.seeds, found.mean) == (1, 0.5)
    assert math.isnan(found.low)


def test_two_seeds_have_no_interval_but_both_their_values() -> None:
    found = estimate([0.9, 0.1])
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.9))
    assert math.isnan(difference([0.9, 0.1]).p)
    assert str(cell(SimpleNamespace(seeds=2, mean=0.5, low=found.low, high=found.high), 2)) == "10.0, 90.0"
    assert str(signed(SimpleNamespace(pairs=2, mean=0.4, low=-0.1, high=0.9))) == "−10.0, +90.0"


def test_equal_seeds_have_an_interval_of_no_width() -> None:
    assert estimate([0.25, 0.25, 0.25]).half_width == 0.0


def test_undefined_values_are_counted_and_never_averaged() -> None:
    found = estimate([0.5, math.nan, 0.7])
    assert (found.seeds, found.undefined, found.mean) == (2, 1, pytest.approx(0.6))
    nothing = estimate([math.nan])
    assert (nothing.seeds, nothing.undefined) == (0, 1)
    assert math.isnan(nothing.mean)
