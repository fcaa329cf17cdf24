"""The figure of effects: what the additional positive changes, claim by claim and study by study."""

import functools
import itertools
import math
import textwrap
from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.claims.answer import UNLEARNED, effect
from figures.claims.judging import NOT_ASKED, NOT_SUPPORTED, OPPOSITE, SUPPORTED, TOO_FEW, judge
from figures.claims.ledger import read
from figures.evidence.evidence import Evidence

LINE, EDGE = 0.165, 0.5
"""Inches of height that a line of text takes, and that the axis takes."""

ONE_COLUMN_LABEL = 26
"""Letters of a line of a study's name where the figure is narrow."""

LOOKS = {
    SUPPORTED: ("^", style.METHODS["byol_tracin"].colour, style.METHODS["byol_tracin"].colour),
    OPPOSITE: ("v", style.INK, style.INK),
    NOT_SUPPORTED: ("X", style.METHODS["random_init"].colour, style.METHODS["random_init"].colour),
    NOT_ASKED: ("s", style.METHODS["random_init"].colour, "none"),
    TOO_FEW: ("o", style.METHODS["random_init"].colour, "none"),
}
"""Marker, colour and filling by verdict."""


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure over all studies: of the claims that compare the test scores of two methods."""
    ledger = read()
    claims = [c for c in ledger["claim"] if c["kind"] == "scores" and len(c["against"]) == 1]
    table = judge(evidence, ledger)
    shown = table[table["claim"].isin([c["name"] for c in claims]) & table["effect"].notna()]
    if shown.empty:
        return None
    titles = {c["name"]: c["short"] for c in claims if c["name"] in set(shown["claim"])}
    action = functools.partial(_draw, shown, titles)
    protocols = sorted({f"test/{c['protocol']}/*" for c in claims})
    return Drawing(_caption(ledger), shown, protocols, action, _alt(shown, titles))


def _draw(shown: pd.DataFrame, titles: dict[str, str], width: float) -> Figure:
    wide = width == style.TWO_COLUMNS
    headings, bars, height = _lay_out(shown, titles, math.inf if wide else ONE_COLUMN_LABEL)
    limits = _limits(shown)
    figure = Figure(figsize=(width, EDGE + LINE * height), layout="constrained")
    panel = figure.add_subplot()
    for down, title in headings.items():
        _heading(panel, down, title)
    for down, (_, row) in bars.items():
        _bar(panel, down, row, limits)
        if wide:
            _number(panel, down, row)
    panel.set_ylim(height - 0.4, -0.8)
    names = [name for name, _ in bars.values()]
    panel.set_yticks(list(bars), names, fontsize=7.5, color=style.MUTED, linespacing=1.0)
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=False)
    panel.spines["left"].set_visible(False)
    panel.set_xlim(*limits)
    _rule(panel, list(headings), height)
    panel.set_xlabel("Points of the main test metric")
    return figure


def _lay_out(
    shown: pd.DataFrame, titles: dict[str, str], letters: float
) -> tuple[dict[float, str], dict[float, tuple[str, Any]], float]:
    """Return what stands how many lines down: the claims' headings, and the bars with their names; and the height.

    Args:
        shown: the claims, a row per study.
        titles: the headings.
        letters: how many a line of a name holds.
    """
    headings: dict[float, str] = {}
    bars: dict[float, tuple[str, Any]] = {}
    down = 0.0
    for claim, title in titles.items():
        headings[down] = title
        down += 1
        rows: Iterator[Any] = shown[shown["claim"] == claim].itertuples()
        for row in rows:
            name = row.study.replace(", scale ", ", ")
            name = name if len(name) <= letters else textwrap.fill(name, int(letters))
            more = 0.7 * name.count("\n")
            bars[down + more / 2] = (name, row)
            down += 1 + more
        down += 0.4
    return headings, bars, down


def _heading(panel: Axes, down: float, title: str) -> None:
    place = ("figure fraction", "data")
    text = panel.annotate(title, (0.005, down), xycoords=place, va="center", annotation_clip=False)
    text.set_in_layout(False)


def _rule(panel: Axes, headings: list[float], height: float) -> None:
    """Draw zero and the grid behind each claim's bars, and not through the headings."""
    low, high = panel.get_xlim()
    ticks = [tick for tick in panel.get_xticks() if low <= tick <= high]
    for top, below in itertools.pairwise([*headings, height]):
        edges = (top + 0.5, below - 0.8)
        panel.vlines(ticks, *edges, color=style.GRID, linewidth=0.5, zorder=0)
        panel.vlines(0, *edges, color=style.INK, linewidth=0.8, zorder=1)


def _bar(panel: Axes, down: float, row: Any, limits: tuple[float, float]) -> None:
    marker, colour, filling = LOOKS[row.verdict]
    if math.isfinite(row.low):
        panel.plot([row.low, row.high], [down, down], color=colour, zorder=2)
    for edge, arrow, beyond in zip(limits, "<>", (row.low < limits[0], row.high > limits[1]), strict=True):
        if beyond:
            panel.scatter(edge, down, s=14, marker=arrow, color=colour, linewidth=0, clip_on=False, zorder=3)
    panel.plot(
        row.effect, down, marker, color=colour, markersize=5, markerfacecolor=filling,
        markeredgewidth=1.0 if filling == "none" else 0.0, zorder=3,
    )  # fmt: skip


def _number(panel: Axes, down: float, row: Any) -> None:
    panel.annotate(
        f"{effect(row)} ({row.pairs})", (1, down), (6, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", fontsize=7.5, color=style.MUTED, va="center_baseline",
    )  # fmt: skip


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Return the range of the horizontal axis: zero and every interval; but not more than thrice the largest effect,
    so that one wide interval does not flatten the others."""  # fmt: skip
    reach = max(1.0, 3 * shown["effect"].abs().max())
    low, high = shown["low"].fillna(shown["effect"]).min(), shown["high"].fillna(shown["effect"]).max()
    return 1.08 * max(min(low, -1.0), -reach), 1.08 * min(max(high, 1.0), reach)


def _caption(ledger: dict[str, Any]) -> str:
    return (
        "How much higher the first of two methods scores than the second, mean over the label fractions and over "
        "runs of the same seed; bars: 95 % t-interval, of two pairs their range; in brackets the pairs. "
        "Triangles: supported, "
        f"p < {ledger['level']:g} adjusted after Holm (pointing down: the opposite); "
        f"crosses: not supported; circles: too few runs to tell (fewer than {ledger['pairs']} pairs); "
        f"squares: not asked, since BYOL {UNLEARNED}. Few labels: "
        "fine-tuned with less than all; linear probe: the same labels, on frozen features; transfer: pretrained on the "
        "first, fine-tuned on the second. Bars with an arrow go on beyond the edge. All numbers: table of claims."
    )


def _alt(shown: pd.DataFrame, titles: dict[str, str]) -> str:
    said = []
    for name, title in titles.items():
        rows = shown[shown["claim"] == name]
        told = [f"{row.study} {effect(row)} points, {row.verdict}" for row in rows.itertuples()]
        said.append(f"{title}: {'; '.join(told)}.")
    return " ".join(said)


ARTEFACT = Artefact("effects", "What the additional positive changes", make, overall=True)
