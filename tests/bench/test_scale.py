"""Fitted exponents."""

import pytest

from repro.bench.scale import _slopes


def test_exponents_are_those_of_power_laws():
    sizes = (2, 8, 32)
    seconds = [[3 * n, 5 * n**2.5] for n in sizes]
    assert _slopes(sizes, seconds) == pytest.approx([1.0, 2.5])
