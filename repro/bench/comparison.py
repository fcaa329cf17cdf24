"""The result of a benchmark: ours compared with a peer or a limit, repeat by repeat."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEAST, MOST = "at least", "at most"


@dataclass(frozen=True)
class Comparison:
    """Ours against a peer or a limit.

    Args:
        what: the quantity, e.g. "prepare 10,015 files".
        ours: its value in each repeat.
        against: what the peer or the limit is.
        peer: the peer's value in each repeat, taken in turn with ours; a limit is the same each time.
        unit: of both.
        bound: LEAST or MOST, what the ratio ours/peer should be of `asked`.
        asked: the ratio aimed at; None where none is.
    """

    what: str
    ours: Sequence[float]
    against: str
    peer: Sequence[float]
    unit: str
    bound: str
    asked: float | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours over the peer's, pair by pair: what drifts with the machine falls out."""
        return [own / other for own, other in zip(self.ours, self.peer, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool | None:
        """Whether the median is what is asked; None where nothing is."""
        if self.asked is None:
            return None
        return self.ratio >= self.asked if self.bound == LEAST else self.ratio <= self.asked


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the comparisons as Markdown: medians, the ratio with its spread over repeats, and what was asked."""
    head = ("what", "ours", "baseline", "baseline's speed", "ratio (least to most)", "target")
    rows = [
        (
            one.what,
            _quantity(statistics.median(one.ours), one.unit),
            one.against,
            _quantity(statistics.median(one.peer), one.unit),
            f"{one.ratio:.3g} ({min(one.ratios):.3g} to {max(one.ratios):.3g})",
            _asked(one),
        )
        for one in comparisons
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    ruled = [head, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in ruled
    )


def _asked(one: Comparison) -> str:
    if one.asked is None:
        return ""
    return f"{one.bound} {one.asked:g}" + ("" if one.reached else ": NOT REACHED")


def _quantity(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"
