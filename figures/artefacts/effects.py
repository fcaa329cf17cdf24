"""The figure of effects: what the additional positive changes, claim by claim and study by study."""

import functools
import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from figures import style
from figures.claims import NOT_SUPPORTED, SUPPORTED, TOO_FEW, judge, read
from figures.evidence import Evidence
from figures.products import Artefact, Drawing

ROW, EDGE = 0.29, 0.62
"""Inches of height that a study takes, and that the title and axis of a panel take."""

LOOKS = {
    SUPPORTED: ("^", style.METHODS["byol_tracin"].colour, style.METHODS["byol_tracin"].colour),
    NOT_SUPPORTED: ("X", style.METHODS["random_init"].colour, style.METHODS["random_init"].colour),
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
    columns = min(len(titles), 2 if width == style.TWO_COLUMNS else 1)
    groups = [shown[shown["claim"] == name] for name in titles]
    heights = [EDGE + ROW * max(map(len, groups[i : i + columns])) for i in range(0, len(groups), columns)]
    layout = ConstrainedLayoutEngine(wspace=0.06, hspace=0.06)
    figure = Figure(figsize=(width, sum(heights)), layout=layout)
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    first: Axes | None = None
    for place, (rows, title) in enumerate(zip(groups, titles.values(), strict=True)):
        panel = figure.add_subplot(grid[place // columns, place % columns], sharex=first)
        first = first or panel
        _panel(panel, rows, title)
        panel.set_xlim(*_limits(shown))
        if place + columns >= len(groups):
            panel.set_xlabel("Points of the main test metric")
    return figure


def _panel(panel: Axes, rows: pd.DataFrame, title: str) -> None:
    panel.axvline(0, color=style.INK, linewidth=0.8, zorder=1)
    for place, row in enumerate(rows.itertuples()):
        _bar(panel, place, row)
    panel.set_ylim(len(rows) - 0.6, -0.9)
    panel.set_yticks([])
    panel.grid(visible=False)  # the names of the studies stand where its lines would be
    panel.spines["left"].set_visible(False)
    panel.set_title(title)


def _bar(panel: Axes, place: int, row: Any) -> None:
    marker, colour, filling = LOOKS[row.verdict]
    if math.isfinite(row.low):
        panel.plot([row.low, row.high], [place, place], color=colour, zorder=2)
    panel.plot(
        row.effect, place, marker, color=colour, markersize=5, markerfacecolor=filling,
        markeredgewidth=1.0 if filling == "none" else 0.0, zorder=3,
    )  # fmt: skip
    panel.annotate(
        row.study.replace(", scale ", ", "), (0, place), (0, 3.5), xycoords=("axes fraction", "data"),
        textcoords="offset points", fontsize=7.5, color=style.MUTED, va="bottom",
    )  # fmt: skip


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """Return the range of the horizontal axis: zero and every interval; but not more than thrice the largest effect,
    so that one wide interval does not flatten the others."""  # fmt: skip
    reach = max(1.0, 3 * shown["effect"].abs().max())
    low, high = shown["low"].fillna(shown["effect"]).min(), shown["high"].fillna(shown["effect"]).max()
    return 1.08 * max(min(low, -1.0), -reach), 1.08 * min(max(high, 1.0), reach)


def _caption(ledger: dict[str, Any]) -> str:
    return (
        "How much higher the first of each panel's two scores than the second, mean over the label fractions and over "
        "runs of the same seed; bars: 95 % t-interval. Triangles: supported, "
        f"p < {ledger['level']:g} adjusted after Holm; "
        f"crosses: not supported; circles: too few runs to tell (fewer than {ledger['pairs']} pairs). Few labels: "
        "fine-tuned with less than all; other images: pretrained on the first, fine-tuned on the second. Bars that "
        "reach the panel's edge go on beyond it. The table of claims has every number."
    )


def _alt(shown: pd.DataFrame, titles: dict[str, str]) -> str:
    said = []
    for name, title in titles.items():
        rows = shown[shown["claim"] == name]
        each = zip(rows["study"], rows["effect"], rows["verdict"], strict=True)
        told = [f"{study} {effect:+.1f} points, {verdict}" for study, effect, verdict in each]
        said.append(f"{title}: {'; '.join(told)}.")
    return " ".join(said)


ARTEFACT = Artefact("effects", "What the additional positive changes", make, overall=True)
