"""Letters that the figures' font lacks: another font of this machine has them, or the label's number stands for it."""

import functools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib import font_manager, get_data_path
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from figures import style

log = logging.getLogger("figures")

OWN = str(style.RC["font.family"])
NO_LETTERS = ("last resort", "color emoji", "colour emoji", "stixnonuni", "stixsiz")
"""Fonts whose glyphs are no letters to read: boxes, pictures, and parts of formulas."""


def drawable(names: Sequence[str]) -> list[str]:
    """Return names of labels as figures show them: a name that no font here can write becomes "label N", from 1."""
    return [f"label {n}" if lacking(name) else name for n, name in enumerate(names, 1)]


def key(names: Sequence[str]) -> str:
    """Return the sentence of a caption that says which labels the numbers are; empty where there are none."""
    numbered = [f"label {n}: {name}" for n, name in enumerate(names, 1) if lacking(name)]
    if not numbered:
        return ""
    _warn(tuple(name for name in names if lacking(name)))
    return f"No font of the machine that drew this has the letters of {'; '.join(numbered)}."


def lacking(text: str) -> frozenset[str]:
    """Return the characters of a text that no font of this machine can write."""
    return _wanted(text) - {letter for family in families(text) for letter in _letters(_files()[family])}


@functools.cache
def families(text: str) -> tuple[str, ...]:
    """Return the fonts that together write what the figures' own lacks of a text, as far as this machine has them.

    First whichever writes most; of equals one that comes with matplotlib, since every machine has it.
    """
    wanted, chosen = _wanted(text), []
    while wanted:
        best = max(_files(), key=lambda family: (_written(family, wanted), _is_ours(family)), default=None)
        if best is None or not _written(best, wanted):
            break
        chosen.append(best)
        wanted = wanted - _letters(_files()[best])
    return tuple(chosen)


def use(figure: Figure) -> None:
    """Give every text of a figure the fonts that it needs."""
    for text in figure.findobj(Text):
        if more := families(text.get_text()):
            text.set_fontfamily([OWN, *more])


def _wanted(text: str) -> frozenset[str]:
    return frozenset(letter for letter in text if letter.isprintable() and not letter.isspace()) - _letters(_own())


@functools.cache
def _own() -> str:
    """Return the file of the figures' own font. It comes with matplotlib, whose list of fonts may lack it."""
    for file in sorted(Path(get_data_path(), "fonts/ttf").glob(f"{OWN}*.ttf")):
        if not any(Path(known.fname) == file for known in font_manager.fontManager.ttflist):
            font_manager.fontManager.addfont(file)
    return font_manager.findfont(OWN, fallback_to_default=False)


def _written(family: str, letters: Iterable[str]) -> int:
    return len(_letters(_files()[family]).intersection(letters))


def _is_ours(family: str) -> bool:
    return Path(_files()[family]).is_relative_to(get_data_path())


@functools.cache
def _letters(file: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (OSError, RuntimeError, ValueError):  # a font that matplotlib cannot open
        return frozenset()


@functools.cache
def _files() -> dict[str, str]:
    """Return the regular file of every family, in order of name."""
    fonts = sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.fname))
    usable = [font for font in fonts if font.style == "normal" and font.weight in (400, "normal", "regular")]
    named = {font.name: font.fname for font in reversed(usable)}
    return {name: named[name] for name in sorted(named) if not name.lower().replace("-", " ").startswith(NO_LETTERS)}


@functools.cache
def _warn(names: tuple[str, ...]) -> None:
    log.warning(
        "no font of this machine has the letters of label %s: figures show its number, and captions a key. A font such "
        "as Noto Sans CJK cures it",
        ", ".join(names),
    )
