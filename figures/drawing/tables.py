"""A table for print, and the same table in LaTeX and Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent

MISSING = "–"
"""What stands in a cell for which there is no number."""

ROWS_OF_A_PAGE = 45
"""Longer tables go on over several pages in LaTeX."""

HEADING = 12
"""Characters after which the heading of a column in LaTeX goes on in the next line."""

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
        "–": "--", "→": r"$\rightarrow$", "≥": r"$\geq$", "≤": r"$\leq$", "≈": r"$\approx$", "µ": r"$\mu$",
        "’": "'", "×": r"$\times$", "†": r"\textdagger{}", "±": r"$\pm$", "−": "$-$",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One cell: a text, half the width of its interval, and a remark; the last two may be empty."""

    text: str
    spread: str = ""
    remark: str = ""

    def __str__(self) -> str:
        spread = f" ± {self.spread}" if self.spread else ""
        return self.text + spread + (f" ({self.remark})" if self.remark else "")


@dataclass(frozen=True)
class Group:
    """Rows under a common heading: pairs of a label and its cells."""

    heading: str
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        corner: heading of the labels.
        columns: headings of the cells.
        groups: of rows.
        align: of the cells: c, centred, for numbers; l, left, for words.
    """

    corner: str
    columns: Sequence[str]
    groups: Sequence[Group]
    align: str = "c"

    @property
    def widest(self) -> int:
        """Number of characters of the longest label."""
        return max((len(label) for group in self.groups for label, _ in group.rows), default=0)

    @property
    def height(self) -> int:
        """Number of rows, headings of groups included."""
        return sum(1 + len(group.rows) for group in self.groups)


def latex(grid: Grid, caption: str, label: str) -> str:
    """Return a table as LaTeX (needs the package booktabs)."""
    return _render("table.tex.jinja", grid, caption, label)


def markdown(grid: Grid, caption: str) -> str:
    """Return a table as Markdown."""
    return _render("table.md.jinja", grid, caption, "")


def templates(folder: Path, autoescape: bool = False) -> Environment:
    """Return the environment of the templates in a folder."""
    made = Environment(
        loader=FileSystemLoader(folder), autoescape=autoescape, undefined=StrictUndefined,  # noqa: S701
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters["stacked"] = lambda text: wrap(str(text), HEADING, break_long_words=False, break_on_hyphens=False)
    made.filters["latex"] = lambda text: str(text).translate(_LATEX).replace(r" \%", r"~\%")
    made.filters["unbroken"] = lambda text: re.sub(" (?=%|px|±)|(?<=[<±]) ", "\u00a0", str(text))
    made.filters["markdown"] = lambda text: re.sub(r"([\\|*])", r"\\\1", " ".join(str(text).split()))
    return made


def _render(template: str, grid: Grid, caption: str, label: str) -> str:
    about = {"grid": grid, "caption": caption, "label": label, "rows_of_a_page": ROWS_OF_A_PAGE}
    return templates(TEMPLATES).get_template(template).render(**about)
