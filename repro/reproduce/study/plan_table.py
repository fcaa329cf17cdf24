"""A plan as a person reads it: what runs, how often, what of it is done, and what the rest costs."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.progress import time_left
from repro.reproduce.study.cells import Cell

if TYPE_CHECKING:
    from repro.reproduce.study.cost import Cost

COLUMNS = "{:<9} {:<38} {:<36} {:>4} {:>5} {:>9} {:>20}"


def table(cells: Sequence[Cell], done: Sequence[bool], costs: Sequence["Cost"], jobs: int = 1) -> str:
    """Return a line for all cells that differ in nothing but the seed, and the sums.

    Args:
        cells: a study's.
        done: which of them are done.
        costs: of each that is not, in order.
        jobs: how many run at once.
    """
    left = iter(costs)
    groups: dict[tuple[str, str, str], list[Cost | None]] = {}
    for cell, already in zip(cells, done, strict=True):
        groups.setdefault((cell.task, _place(cell), _what(cell)), []).append(None if already else next(left))
    lines = [COLUMNS.format("command", "images", "method", "runs", "done", "each", "time left")]
    for words, members in groups.items():
        missing = [cost for cost in members if cost is not None]
        each = "" if not missing else "unknown" if missing[0].seconds is None else _spoken(missing[0].seconds)
        lines.append(COLUMNS.format(*words, len(members), len(members) - len(missing), each, _range(missing)))
    todo = list(itertools.compress(cells, [not already for already in done]))
    pretrainings = sum(cell.pretrains for cell in todo)
    carried = sum(cell.origin is not None for cell in todo)
    lines.append(
        f"{len(cells)} cells: {len(cells) - len(todo)} done, {len(todo)} to run. Of these {pretrainings} pretrain and "
        f"{carried} evaluate an encoder that another cell pretrained."
    )
    if todo:
        unknown = sum(cost.seconds is None for cost in costs)
        known = f", {unknown} cells without their images not counted" if unknown else ""
        stored = sum(cost.stored for cost in costs)
        source = f"{stored} by stored runs of this machine, {len(costs) - stored - unknown} by a probe of a few batches"
        lines.append(
            f"Time left on this machine, {_at_once(jobs)}: {_range(costs, jobs)}{known} (estimated: {source}). "
            f"In the run database: {sum(cost.megabytes for cost in costs) / 1000:.2g} GB."
        )
    return "\n".join(lines)


def _place(cell: Cell) -> str:
    data = cell.config["data"]
    origin = "" if cell.origin is None else f"{cell.origin.named[1]} to "
    return f"{origin}{cell.named[1]} {data['split']}"


def _what(cell: Cell) -> str:
    told = [f"{key}={value}" for key, value in cell.updates.items() if key != "seed" and not key.startswith("data.")]
    return " ".join([cell.named[0], *told])


def _at_once(jobs: int) -> str:
    return "one after the other" if jobs == 1 else f"{jobs} at once"


def _range(costs: Sequence["Cost"], jobs: int = 1) -> str:
    """Return from how long to how long the cells will take; nothing where there is none."""
    lows = [cost.low for cost in costs if cost.low is not None]
    highs = [cost.high for cost in costs if cost.high is not None]
    if not lows:
        return "unknown" if costs else ""
    return f"{_spoken(sum(lows) / jobs)} to {_spoken(sum(highs) / jobs)}"


def _spoken(seconds: float) -> str:
    """Return a duration of two figures: nobody knows it better."""
    return time_left(float(f"{seconds:.2g}"))
