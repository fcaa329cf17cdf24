"""The answer of the claims ledger in a few sentences, with intervals."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from figures import style
from figures.claims.judging import NOT_ASKED, OPPOSITE, SUPPORTED, TOO_FEW
from figures.drawing.tables import Cell
from figures.evidence.series import Run
from figures.evidence.study import Study
from figures.evidence.timings import core_hours
from figures.evidence.titles import count, listing, listing_or_number, title
from figures.statistics.estimates import FEWEST

UNLEARNED = "is not shown there to learn more than random weights"
"""What a base method is where nothing can be built on it."""

CARRIED = "that was pretrained on the one is not shown to be better than random weights on the other"
"""The same of transfer."""

LATER = " (Our question, asked after runs that answer it had been read.)"
"""What is said of a claim that did not stand before the runs."""

TOLD = 3
"""Studies whose effects are told one by one; of more, the least and the greatest."""


def sentences(ledger: dict[str, Any], table: pd.DataFrame) -> Iterator[str]:
    """Yield one sentence per headline claim: in how many of the studies that count it is supported, and the effects.

    Args:
        ledger: from `claims.read`.
        table: from `claims.judge`.
    """
    for claim in ledger["claim"]:
        if claim["headline"]:
            every = table[(table["claim"] == claim["name"]) & table["counted"]]
            rows = every[every["verdict"] != TOO_FEW]
            asked = rows[rows["verdict"] != NOT_ASKED]
            unasked = len(rows) - len(asked)
            text = f"*{claim['text']}*{LATER if claim['source'] == '[us, later]' else ''}"
            if unasked and asked.empty:
                many = "the only study" if unasked == 1 else f"any of {unasked} studies"
                yield f"{text} **No answer: not asked in {many}**, since {why_not_asked(claim)}."
            else:
                rest = f" Not asked in {unasked} more: {why_not_asked(claim)}." if unasked else ""
                none = "Too few runs to test" if (every["pairs"] > 0).any() else "No runs yet"
                yield f"{text} {none if asked.empty else _said(asked)}.{rest}"


def why_not_asked(claim: dict[str, Any]) -> str:
    """Return why a claim is not asked where its base method has learned nothing, as the rest of a sentence."""
    return f"{style.look(claim['base']).label} {CARRIED if claim.get('transfer') else UNLEARNED}"


def effect(row: Any) -> Cell:
    """Return the effect of a row of `claims.judge` as it is printed, with half the width of its interval."""
    digits, sign, unit = (2, "", " ×") if row.unit == "ratio" else (1, "+", "")
    text = f"{row.effect:{sign}z.{digits}f}".replace("-", "−")
    text = text.removeprefix("+") if float(f"{row.effect:.{digits}f}") == 0 else text
    return Cell(text + unit, f"{row.high - row.effect:.{digits}f}" if row.pairs >= FEWEST else "")


def compute(runs: Sequence[Run], tried: int = 0) -> str:
    """Say how many runs there are, how many `tried` recipes, and how much processor time those took that know it."""
    hours = [each for run in runs if math.isfinite(each := core_hours(run))]
    which = "which" if len(hours) == len(runs) else f"{len(hours)} of which"
    took = f", {which} took {sum(hours):,.1f} core hours of a CPU" if hours else ""
    chose = f" ({tried} of them to choose recipes)" if tried else ""
    return f"The archive behind these sentences holds {count(len(runs), 'run')}{chose}{took}."


def extent(studies: Sequence[Study]) -> str:
    """Say how many seeds of which methods each study has; of many methods with as many seeds, only their number."""
    by_methods: dict[str, list[str]] = {}
    for study in studies:
        by_methods.setdefault(_methods(study), []).append(title(study))
    told = "; ".join(f"{listing(titles)}: {methods}" for methods, titles in by_methods.items())
    return f"Methods and seeds: {told.removesuffix('.')}."


def _methods(study: Study) -> str:
    by_seeds: dict[int, list[str]] = {}
    for one in study.references:
        by_seeds.setdefault(len(one.runs), []).append(style.look(one.method).label)
    return ", ".join(
        f"{count(seeds, 'seed')} of {listing_or_number(labels, 'method')}"
        for seeds, labels in sorted(by_seeds.items(), reverse=True)
        if seeds
    )


def _said(rows: pd.DataFrame) -> str:
    supported, many = (rows["verdict"] == SUPPORTED).sum(), "study" if len(rows) == 1 else "studies"
    if len(rows) <= TOLD:
        effects = "; ".join(_one(row) for row in rows.itertuples())
    else:
        least, *_, greatest = (_one(row) for row in rows.sort_values("effect", kind="stable").itertuples())
        effects = f"from {least} to {greatest}"
    opposite = (rows["verdict"] == OPPOSITE).sum()
    if not supported and not opposite:
        return f"**Not supported in {len(rows)} of {len(rows)} {many}; nor is the opposite**: {effects}"
    against = f", the opposite in {opposite}" if opposite else ""
    return f"**Supported in {supported} of {len(rows)} {many}{against}**: {effects}"


def _one(row: Any) -> str:
    return f"{effect(row)} {row.unit} ({row.study})"
