"""One claim over all studies: its verdict in a few words, its effects, and how many studies were asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from figures.claims.answer import effect, why_not_asked
from figures.claims.judging import NOT_ASKED, NOT_SUPPORTED, OPPOSITE, SUPPORTED, TOO_FEW

MIXED = "mixed"
"""The verdict where studies do not agree."""


@dataclass(frozen=True)
class Summary:
    """What all studies say of one claim.

    Args:
        name, short, text, source, headline: as in `claims.toml`.
        verdict: a verdict of `judging`, or MIXED.
        told: the verdict as it is printed, with how many studies give it.
        counts: how many studies give each verdict, or why none does, in words; empty where `told` says all.
        effects: the effect, or the lowest and the highest, each with half the width of its interval.
        unit: of the effects.
        rows: rows of `judging.judge` that have an effect, of the studies that count.
        limit: value of the effect from which on it speaks for the claim, or against it.
    """

    name: str
    short: str
    text: str
    source: str
    headline: bool
    verdict: str
    told: str
    counts: str
    effects: tuple[str, ...]
    unit: str
    rows: pd.DataFrame
    limit: float


def summaries(ledger: dict[str, Any], table: pd.DataFrame) -> Iterator[Summary]:
    """Yield a summary per claim, in the order of the ledger.

    Args:
        ledger: from `ledger.read`.
        table: from `judging.judge`.
    """
    for claim in ledger["claim"]:
        rows = table[(table["claim"] == claim["name"]) & table["study"].ne("") & table["study"].notna()]
        rows = rows[rows["counted"].astype(bool)]
        found = {verdict: int((rows["verdict"] == verdict).sum()) for verdict in ORDER}
        verdict = _verdict(found)
        shown = rows[rows["effect"].notna()]
        # Studies in which the claim is judged say what the effect is; where there are none, all studies that have one.
        judged = shown[shown["verdict"].isin(JUDGED)]
        yield Summary(
            **{key: claim[key] for key in ("name", "short", "text", "source", "headline")},
            verdict=verdict,
            told=_told(verdict, found),
            counts=_counts(found, claim),
            effects=_range(shown if judged.empty else judged),
            unit="" if rows.empty or rows["unit"].iloc[0] == "ratio" else str(rows["unit"].iloc[0]),
            rows=shown,
            limit=float(claim.get("at_most", 0.0)),
        )


JUDGED = (SUPPORTED, NOT_SUPPORTED, OPPOSITE)
ORDER = (*JUDGED, NOT_ASKED, TOO_FEW)


def _verdict(found: dict[str, int]) -> str:
    """Return the verdict that all studies give in which the claim is judged; MIXED where they differ."""
    judged = [verdict for verdict in JUDGED if found[verdict]]
    if len(judged) > 1:
        return MIXED
    return judged[0] if judged else NOT_ASKED if found[NOT_ASKED] else TOO_FEW


def _told(verdict: str, found: dict[str, int]) -> str:
    judged = sum(found[each] for each in JUDGED)
    if verdict == MIXED:
        return f"Supported in {found[SUPPORTED]} of {judged} studies"
    many = judged or found[verdict]
    where = f" in {many} {'study' if many == 1 else 'studies'}" if many else ""
    return f"{verdict[0].upper()}{verdict[1:]}{where}"


def _counts(found: dict[str, int], claim: dict[str, Any]) -> str:
    if found[NOT_ASKED] == sum(found.values()) > 0:
        return f"{why_not_asked(claim)}."
    several = [verdict for verdict in ORDER if found[verdict]]
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in several) if len(several) > 1 else ""


def _range(rows: pd.DataFrame) -> tuple[str, ...]:
    ordered = [str(effect(row)) for row in rows.sort_values("effect", kind="stable").itertuples()]
    return tuple(dict.fromkeys([*ordered[:1], *ordered[-1:]]))
