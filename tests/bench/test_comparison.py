"""Ratios of benchmarks: pair by pair, their median, and whether it is what was asked."""

import pytest

from repro.bench.comparison import LEAST, MOST, Comparison, table


def compared(ours: list[float], peer: list[float], bound: str, asked: float) -> Comparison:
    return Comparison("a thing", ours, "a peer", peer, "s", bound, asked)


def test_the_ratio_is_the_median_over_pairs_and_not_that_of_medians():
    one = compared([1.0, 20.0, 3.0], [1.0, 10.0, 30.0], LEAST, 1.0)
    assert one.ratios == [1.0, 2.0, 0.1]
    assert one.ratio == 1.0


@pytest.mark.parametrize(
    ("bound", "ratio", "reached"), [(LEAST, 0.9, True), (LEAST, 0.89, False), (MOST, 0.9, True), (MOST, 0.91, False)]
)
def test_a_bound_is_reached_when_the_median_is_on_its_side(bound: str, ratio: float, reached: bool):
    one = compared([ratio], [1.0], bound, 0.9)
    assert one.reached is reached
    assert ("NOT REACHED" in table([one])) is not reached


def test_the_table_is_markdown_with_every_value():
    head, rule, row = table([compared([2048.0, 0.5, 1.0], [2.0, 2.0, 2.0], MOST, 1.5)]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 7
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["a thing", "1 s", "a peer", "2 s", "0.5 (0.25 to 1.02e+03)", "at most 1.5"]


def test_a_row_for_which_nothing_is_asked_is_told_without_a_verdict():
    one = Comparison("a thing", [1.0], "a peer", [2.0], "s", LEAST)
    assert one.reached is None
    assert [cell.strip() for cell in table([one]).splitlines()[2].split("|")][-3:] == ["0.5 (0.5 to 0.5)", "", ""]
