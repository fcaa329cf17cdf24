"""Selectors in figures: their curves and their order."""

from figures import style
from figures.drawing import panels
from figures.drawing.curves import Stroke
from figures.evidence.partners import CHANCE


def stroke_of(selector: str) -> Stroke:
    """Return the name in print and the curve of a selector, or of CHANCE."""
    if selector == CHANCE:
        return panels.CHANCE
    look = style.look(selector, style.SELECTORS)
    return Stroke(look.label, look.colour, look.marker)


def rank(selector: str) -> tuple[bool, tuple[int, str]]:
    """Return a sort key: known selectors in their order, then the others by name, then CHANCE."""
    return (selector == CHANCE, style.rank(selector, style.SELECTORS))
