"""What an artefact is made of, before it becomes files."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from figures.records import Study
from figures.tables import Grid


@dataclass(frozen=True)
class Product:
    """What tables and figures share.

    Args:
        caption: for print, without the sentences that the whole study shares.
        data: every number shown, one row each, with the ids of the `runs` behind it; these go into the sidecar.
        metrics: names of the stored metrics that the numbers come from.
    """

    caption: str
    data: pd.DataFrame
    metrics: list[str]


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
        make: makes it from a study and its metric points; None where no stored run gives any number for it.
    """

    name: str
    title: str
    make: Callable[[Study, pd.DataFrame], Table | Drawing | None]
