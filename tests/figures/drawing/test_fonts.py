"""Labels in any script: another font writes them, or their number stands for them, with a key in the caption."""

import functools
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from figures.drawing import fonts
from figures.drawing.rendering import render

NEVUS = "\u75e3"  # Chinese for naevus
LABELS = [NEVUS, "N\u00e4\u00e4vus \u03b2 < 5 \u00b5m", "\u0440\u0430\u043a"]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Fonts are looked for anew before and after."""
    known = list(font_manager.fontManager.ttflist)
    caches = (fonts.families, fonts._letters, fonts._files, fonts._own, fonts._warn)
    for cache in caches:
        cache.cache_clear()
    yield
    font_manager.fontManager.ttflist[:] = known
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def without_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this machine's fonts those that come with matplotlib alone."""
    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)


def installed(folder: Path) -> None:
    """Make a font with the one letter and install it."""
    pen = TTGlyphPen(None)
    for place, point in enumerate([(100, 0), (100, 700), (800, 700), (800, 0)]):
        (pen.lineTo if place else pen.moveTo)(point)
    pen.closePath()
    box, empty = pen.glyph(), TTGlyphPen(None).glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "nevus"])
    builder.setupCharacterMap({ord(NEVUS): "nevus"})
    builder.setupGlyf({".notdef": empty, "nevus": box})
    builder.setupHorizontalMetrics({".notdef": (900, 0), "nevus": (900, 100)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "One Letter", "styleName": "Regular", "psName": "OneLetter"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(folder / "one.ttf")
    font_manager.fontManager.addfont(str(folder / "one.ttf"))


def titled(text: str, width: float) -> Figure:
    figure = Figure(figsize=(width, 1))
    figure.suptitle(text)
    return figure


def test_a_label_that_no_font_can_write_is_its_number_and_the_caption_has_the_key(without_chinese, caplog):
    with caplog.at_level(logging.WARNING):
        assert fonts.drawable(LABELS) == ["label 1", *LABELS[1:]]
        for _ in range(2):
            assert f"label 1: {NEVUS}." in fonts.key(LABELS)
    assert len(caplog.records) == 1
    assert fonts.key(LABELS[1:]) == ""


def test_a_font_of_the_machine_that_has_the_letters_is_taken(without_chinese, tmp_path: Path):
    installed(tmp_path)
    assert fonts.drawable(LABELS) == LABELS
    assert fonts.families(NEVUS) == ("One Letter",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = render(functools.partial(titled, f"a {NEVUS}"), 2.0)
    assert "OneLetter" in drawn.svg
    assert b"OneLetter" in drawn.pdf


def test_what_the_figures_own_font_has_is_drawn_with_it_alone(without_chinese):
    assert fonts.families("TracIn → β, 5 µm ± 3 %") == ()


def test_a_list_of_fonts_that_lacks_the_figures_own_changes_no_byte(monkeypatch: pytest.MonkeyPatch):
    figure = functools.partial(titled, "TracIn ± 3 %")
    right = render(figure, 2.0)
    for cached in (fonts._own, fonts.families, fonts._files):
        cached.cache_clear()
    others = [font for font in font_manager.fontManager.ttflist if not font.name.startswith(fonts.OWN)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", others)
    font_manager.fontManager._findfont_cached.cache_clear()  # type: ignore[attr-defined]
    again = render(figure, 2.0)
    assert b"STIXGeneral" in right.pdf
    assert again == right


def test_boxes_and_coloured_pictures_are_no_letters():
    assert not [name for name in fonts._files() if "last resort" in name.lower().replace("-", " ")]
