"""The hash of a metric's points, and of facts."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.store.digests import fact_sha256, series_digest

numbers = st.floats() | st.integers(-(2**40), 2**40)
points = st.lists(st.tuples(numbers, numbers), max_size=8)


def sha256(series: list[tuple[float, float]]) -> str:
    return series_digest([step for step, _ in series], [value for _, value in series]).expectation["sha256"]


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


@given(points, points)
def test_the_hash_changes_if_and_only_if_a_point_does(one: list, two: list):
    equal = len(one) == len(two) and all(
        same(a, b) for p, q in zip(one, two, strict=True) for a, b in zip(p, q, strict=True)
    )
    assert (sha256(one) == sha256(two)) == equal


@given(points)
def test_the_hash_is_of_little_endian_pairs_as_numpy_writes_them(series: list):
    pairs = np.array(series, "<f8").reshape(-1, 2)
    pairs[np.isnan(pairs)] = np.nan
    assert sha256(series) == hashlib.sha256(pairs.tobytes()).hexdigest()


@pytest.mark.parametrize("strange", [True, "1.0", None, [1.0]])
def test_what_is_no_number_is_no_point(strange: object):
    with pytest.raises(TypeError, match="is no number"):
        series_digest([1.0], [strange])  # type: ignore[list-item]


def test_facts_hash_alike_whatever_the_order_of_their_keys():
    assert fact_sha256({"a": 1.0, "b": [1, 2]}) == fact_sha256({"b": [1, 2], "a": 1.0})
    assert fact_sha256({"a": 1.0}) != fact_sha256({"a": 1})
    assert fact_sha256([1, 2]) != fact_sha256([2, 1])
