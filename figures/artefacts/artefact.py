"""What an artefact is made of, before it becomes files."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from figures.drawing.tables import Grid
from figures.evidence.evidence import Evidence


@dataclass(frozen=True)
class Product:
    """What tables and figures share.

    Args:
        caption: for print, without the sentences that the whole study shares.
        data: every number shown, one row each, with what it is called (`label`) and the ids of the `runs` behind it;
            the ids go into the sidecar.
        metrics: names of the stored metrics that the numbers come from.
        artifacts: names of the stored files that they come from.
    """

    caption: str
    data: pd.DataFrame
    metrics: list[str]
    artifacts: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Table(Product):
    """A table; `grid` is what is printed."""

    grid: Grid


@dataclass(frozen=True)
class Drawing(Product):
    """A figure; `draw` draws it at a width in inches, `alt` says in words what is seen."""

    draw: Callable[[float], Figure]
    alt: str


@dataclass(frozen=True)
class Artefact:
    """One table or figure.

    Args:
        name: of its files, and on the command line.
        title: for people.
        make: makes it from the evidence; None where no stored run gives any number for it.
        overall: whether it is made once from all studies, rather than for each.
    """

    name: str
    title: str
    make: Callable[[Evidence], Table | Drawing | None]
    overall: bool = False
