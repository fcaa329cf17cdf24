"""Cards of claims: they count what the ledger's rows say, and draw each effect where a ruler puts it."""

import math

import pandas as pd
import pytest

from figures.claims.judging import COLUMNS, NOT_ASKED, NOT_SUPPORTED, OPPOSITE, SUPPORTED, TOO_FEW
from figures.claims.ledger import read
from figures.claims.summary import MIXED, summaries
from figures.page import cards

CLAIM = "semi_supervised_over_byol"


def table(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """Rows of one claim: verdict, effect and half the width of its interval, in studies 0, 1, ..."""
    made = [
        {"claim": CLAIM, "study": f"study {n}", "verdict": verdict, "effect": effect, "low": effect - half,
         "high": effect + half, "unit": "points", "pairs": 5 - 4 * math.isnan(half), "counted": True}
        for n, (verdict, effect, half) in enumerate(rows)
    ]  # fmt: skip
    return pd.DataFrame(made, columns=list(COLUMNS))


@pytest.mark.parametrize(
    ("verdicts", "verdict", "told", "counts"),
    [
        ([SUPPORTED] * 2, SUPPORTED, "Supported in 2 studies", ""),
        ([NOT_SUPPORTED], NOT_SUPPORTED, "Not supported in 1 study", ""),
        ([SUPPORTED, OPPOSITE], MIXED, "Supported in 1 of 2 studies", "1 supported, 1 opposite"),
        ([SUPPORTED, NOT_ASKED], SUPPORTED, "Supported in 1 study", "1 supported, 1 not asked"),
        (
            [NOT_ASKED] * 2,
            NOT_ASKED,
            "Not asked in 2 studies",
            "BYOL is not shown there to learn more than random weights.",
        ),
        ([NOT_ASKED, TOO_FEW], NOT_ASKED, "Not asked in 1 study", "1 not asked, 1 too few runs"),
    ],
)
def test_a_card_counts_the_studies_of_each_verdict(verdicts: list[str], verdict: str, told: str, counts: str) -> None:
    (found,) = [one for one in summaries(read(), table(*((v, 1.0, 0.5) for v in verdicts))) if one.name == CLAIM]
    assert (found.verdict, found.told, found.counts) == (verdict, told, counts)


def test_a_card_gives_the_lowest_and_the_highest_effect_of_the_studies_that_judge_the_claim() -> None:
    rows = table((SUPPORTED, 4.0, 1.0), (NOT_SUPPORTED, -2.0, 3.0), (SUPPORTED, 6.0, 2.0), (NOT_ASKED, -9.0, 1.0))
    (found,) = [one for one in summaries(read(), rows) if one.name == CLAIM]
    assert (found.effects, found.unit) == (("−2.0 ± 3.0", "+6.0 ± 2.0"), "points")
    others = [one for one in summaries(read(), rows) if one.name != CLAIM]
    assert all((one.verdict, one.told, one.effects) == (TOO_FEW, "Too few runs", ()) for one in others)


def test_effects_of_single_pairs_alone_are_drawn_without_intervals() -> None:
    groups = cards.groups(read(), table((TOO_FEW, 2.0, math.nan), (TOO_FEW, -1.0, math.nan)))
    (drawn,) = [card["drawing"] for group in groups for card in group["cards"] if card["claim"].name == CLAIM]
    ends = drawn["lines"][1]["effect"], drawn["lines"][0]["effect"]
    assert ends == (cards.MARGIN, cards.WIDTH - cards.MARGIN)
    assert drawn["limit"] == pytest.approx(cards.MARGIN + (cards.WIDTH - 2 * cards.MARGIN) / 3, abs=0.1)


def test_effects_are_drawn_in_proportion_and_from_no_difference_on() -> None:
    groups = cards.groups(read(), table((SUPPORTED, 4.0, 1.0), (NOT_SUPPORTED, -2.0, 3.0), (TOO_FEW, 1.0, math.nan)))
    (drawn,) = [card["drawing"] for group in groups for card in group["cards"] if card["claim"].name == CLAIM]
    unit = (drawn["width"] - 2 * cards.MARGIN) / 10  # from -5 to 5 points

    def at(points: float) -> float:
        return cards.MARGIN + (points + 5) * unit

    assert drawn["limit"] == pytest.approx(at(0), abs=0.1)
    for line, (effect, half) in zip(drawn["lines"], [(4, 1), (-2, 3), (1, None)], strict=True):
        assert line["effect"] == pytest.approx(at(effect), abs=0.1)
        if half is None:
            assert line["low"] is line["high"] is None
        else:
            assert (line["low"], line["high"]) == pytest.approx((at(effect - half), at(effect + half)), abs=0.1)
    assert [line["kind"] for line in drawn["lines"]] == ["supported", "unsupported", "few"]
    assert drawn["alt"].startswith("study 0: +4.0 ± 1.0 points, supported; study 1: −2.0 ± 3.0 points")
