"""The picture of the method stays readable where Helvetica is not installed."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib
from PIL import ImageFont

from tests.conftest import ROOT

SVG = "{http://www.w3.org/2000/svg}"
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""What most systems without Helvetica and Arial take: a wide one."""


def spans(root: ET.Element) -> Iterator[tuple[str, float, float, float]]:
    """Text, left and right end and baseline of every text in the widest usual font."""
    for text in root.iter(f"{SVG}text"):
        small = text.get("class") == "small"
        bold = 1.12 if text.get("font-weight") == "bold" else 1.0
        content = "".join(text.itertext())
        width = bold * ImageFont.truetype(str(FONT), 12 if small else 14).getlength(content)
        x, y = float(text.get("x", 0)), float(text.get("y", 0))
        left = x - width / 2 if text.get("text-anchor") == "middle" else x
        yield content, left, left + width, y


def test_no_text_leaves_the_picture_or_covers_another_in_a_wide_font():
    root = ET.parse(ROOT / "figures" / "overview.svg").getroot()
    _, _, wide, _ = map(float, root.get("viewBox", "").split())
    found = list(spans(root))
    assert len(found) > 10
    for text, left, right, y in found:
        assert left >= 0, text
        assert right <= wide, text
        for other, its_left, its_right, its_y in found:
            if text != other and abs(y - its_y) < 10:
                assert right <= its_left or its_right <= left, (text, other)
