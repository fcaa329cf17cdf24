"""Means over seeds as cells of a table, and what a caption says of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from figures.drawing import captions
from figures.drawing.tables import MISSING, Cell
from figures.evidence import titles
from figures.evidence.series import Run

UNDEFINED = "n/a"
"""What stands in a cell whose every stored number is NaN or infinite."""


def most_seeds(rows: pd.DataFrame) -> int:
    """Return over how many seeds the means in a row of a table are, at most."""
    return int(rows["seeds"].max())


def cell(mean: Any, seeds: int, factor: float = 100) -> Cell:
    """Return a mean over seeds as a cell.

    Args:
        mean: a row with seeds, undefined, mean and high, as `stats.Estimate` has them.
        seeds: of the row of the table; a mean over fewer says so.
        factor: what the mean is multiplied with.
    """
    if not mean.seeds:
        return Cell(UNDEFINED if mean.undefined else MISSING)
    remark = f"n = {mean.seeds}" if mean.seeds != seeds else ""
    if mean.seeds == 2:
        return Cell(both(factor * mean.low, factor * mean.high, "z.1f"), "", remark)
    spread = f"{factor * (mean.high - mean.mean):.1f}" if mean.seeds > 1 else ""
    text = f"{factor * mean.mean:z.1f}".replace("-", "−")
    return Cell(text, spread, remark)


def both(low: float, high: float, form: str) -> str:
    """Return two seeds' values as text: two make no interval."""
    return f"{low:{form}}, {high:{form}}".replace("-", "−")


def seeds_cell(rows: pd.DataFrame) -> Cell:
    """Return over how many seeds the means in a row of a table are: "3", or "2–3"."""
    counts = sorted(set(rows["seeds"]) - {0})
    return Cell("–".join(map(str, sorted({*counts[:1], *counts[-1:]}))) or MISSING)


def intervals(rows: pd.DataFrame, runs: Sequence[Run]) -> list[str]:
    """Return the sentences on the seeds and intervals of a table's means; `runs` are those behind them."""
    counts = set(rows["seeds"]) - {0}
    if max(counts, default=0) < 2:
        return [f"One seed per cell ({titles.seeds(runs)}), so there is no interval."]
    if max(counts) == 2:
        told = [f"Both seeds of each cell ({captions.seeds_averaged(runs, counts)}): two make no interval."]
    else:
        told = [f"Mean ± half-width of the 95 % t-interval over {captions.seeds_averaged(runs, counts)}."]
        told += ["Cells of two seeds show both."] if 2 in counts else []
    return [*told, "Cells of one seed have no interval."] if 1 in counts else told


def signed(row: Any, factor: float = 100) -> Cell:
    """Return a difference as a cell, with its sign.

    Args:
        row: with mean, low, high, and pairs or seeds: how many values are behind it.
        factor: what the difference is multiplied with.
    """
    if not np.isfinite(row.mean):
        return Cell(UNDEFINED)
    if getattr(row, "pairs", getattr(row, "seeds", None)) == 2:
        return Cell(both(factor * row.low, factor * row.high, "+z.1f"))
    spread = f"{factor * (row.high - row.mean):.1f}" if np.isfinite(row.high) else ""
    return Cell(f"{factor * row.mean:+z.1f}".replace("-", "−"), spread)


def p_value(p: float) -> str:
    """Return a p-value in print; nothing where there is none."""
    if not np.isfinite(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
