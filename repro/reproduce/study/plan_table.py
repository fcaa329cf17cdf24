"""A plan as a person reads it: what runs, how often, and what that costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.reproduce.study.cells import Cell

if TYPE_CHECKING:
    from repro.reproduce.study.cost import Cost

COLUMNS = "{:<9} {:<38} {:<36} {:>4} {:>9} {:>9}"


def table(cells: Sequence[Cell], costs: Sequence["Cost"], jobs: int = 1) -> str:
    """Return a line for all cells that differ in nothing but the seed, and the sums.

    Args:
        cells: a study's.
        costs: of each.
        jobs: how many run at once.
    """
    groups: dict[tuple[str, str, str], list[Cost]] = {}
    for cell, cost in zip(cells, costs, strict=True):
        groups.setdefault((cell.task, _place(cell), _what(cell)), []).append(cost)
    lines = [COLUMNS.format("command", "images", "method", "runs", "each", "together")]
    for words, members in groups.items():
        each = None if members[0].seconds is None else _spoken(members[0].seconds)
        lines.append(COLUMNS.format(*words, len(members), each or "unknown", _together(members)))
    pretrainings = sum(cell.pretrains for cell in cells)
    carried = sum(cell.origin is not None for cell in cells)
    unknown = sum(cost.seconds is None for cost in costs)
    known = f", {unknown} cells without their images not counted" if unknown else ""
    lines += [
        f"{len(cells)} cells: {pretrainings} pretrainings, each made once; {carried} cells judge one elsewhere.",
        f"Time on this machine, {_at_once(jobs)}: {_together(costs, jobs)}{known}. So says a probe of a few batches; "
        f"it can be half or double. In the run database: {sum(cost.megabytes for cost in costs) / 1000:.2g} GB.",
    ]
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


def _together(costs: Sequence["Cost"], jobs: int = 1) -> str:
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    return _spoken(sum(known) / jobs) if known else "unknown"


def _spoken(seconds: float) -> str:
    """Return a duration of two figures: nobody knows it better."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} s"
