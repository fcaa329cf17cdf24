"""Cards of the page: one per claim, with its effects as a small drawing, a line per study."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from figures.claims.answer import effect
from figures.claims.judging import NOT_ASKED, NOT_SUPPORTED, OPPOSITE, SUPPORTED, TOO_FEW
from figures.claims.ledger import Claim
from figures.claims.summary import MIXED, Summary, summaries

KINDS = {
    SUPPORTED: "supported", NOT_SUPPORTED: "unsupported", OPPOSITE: "opposite", MIXED: "mixed",
    NOT_ASKED: "unasked", TOO_FEW: "few",
}  # fmt: skip
"""How the page marks a verdict: a class of its style sheet."""

SOURCES = {"[A]": "Claims of the paper", "[us]": "Questions of our own", "[us, later]": "Asked later"}

WIDTH, ROW, MARGIN = 240.0, 10.0, 6.0
"""Of the drawing, in its own units; MARGIN is left and right, for marks at the ends."""

REACH = 3.0
"""An interval is cut where it is longer than so many times the largest effect."""


def groups(ledger: dict[str, list[Claim]], table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the cards, by the source of their claims, and the names of claims without any run.

    Args:
        ledger: from `ledger.read`.
        table: from `judging.judge`.
    """
    found: dict[str, list[Summary]] = {}
    for one in summaries(ledger, table):
        found.setdefault(one.source, []).append(one)
    return [
        {
            "title": SOURCES.get(source, source),
            "cards": [_card(one) for one in claims if not one.rows.empty],
            "without": [one.short for one in claims if one.rows.empty],
        }
        for source, claims in found.items()
    ]


def _card(summary: Summary) -> dict[str, Any]:
    return {"kind": KINDS[summary.verdict], "claim": summary, "drawing": _drawing(summary)}


def _drawing(summary: Summary) -> dict[str, Any] | None:
    """Return where the drawing has its lines and marks; None without an effect."""
    rows, limit = summary.rows, summary.limit
    if rows.empty:
        return None
    reach = REACH * max((rows["effect"] - limit).abs().max(), 1e-9)
    low = max(min(rows["low"].fillna(rows["effect"]).min(), limit), limit - reach)
    high = min(max(rows["high"].fillna(rows["effect"]).max(), limit), limit + reach)
    scale = (WIDTH - 2 * MARGIN) / ((high - low) or 1.0)

    def across(value: float) -> float:
        return round(MARGIN + (min(max(value, low), high) - low) * scale, 1)

    lines = list(_lines(summary, across))
    return {
        "width": WIDTH,
        "height": ROW * len(rows) + 4,
        "limit": across(limit),
        "lines": lines,
        "alt": "; ".join(line["title"] for line in lines),
    }


def _lines(summary: Summary, across: Any) -> Iterator[dict[str, Any]]:
    rows: Iterator[Any] = summary.rows.itertuples()
    for number, row in enumerate(rows):
        interval = pd.notna(row.low) and pd.notna(row.high)
        yield {
            "down": ROW * number + ROW / 2 + 2,
            "low": across(row.low) if interval else None,
            "high": across(row.high) if interval else None,
            "effect": across(row.effect),
            "kind": KINDS[str(row.verdict)],
            "title": f"{row.study}: {effect(row)} {summary.unit}, {row.verdict}",
        }
