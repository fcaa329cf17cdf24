"""python -m figures.readme: the README's answer, redrawn from the reference archive.

It writes figures/reference/effects.png, and what stands in README.md between the marks of the result.
"""

import re
import tempfile
from pathlib import Path

import pandas as pd

from figures.__main__ import main as draw
from figures.answer import sentences
from figures.artefacts import effects
from figures.claims import read
from figures.files import write
from repro.errors import InputError, Parser, front_door

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "figures" / "reference"
ARCHIVE, PICTURE, README = REFERENCE / "runs.zip", REFERENCE / "effects.png", ROOT / "README.md"

FOLDED = {
    "claims": "Every claim, study by study",
    "sensitivity": "What changes if one setting of the method does",
}
"""Tables that unfold at a click, and what to click at."""

MARKS = re.compile(r"(<!-- result:[^>]*-->\n).*?(<!-- end of result -->)", re.DOTALL)


def main(arguments: list[str]) -> None:
    """Run the command line."""
    Parser(prog="python -m figures.readme", description=__doc__).parse_args(arguments)
    text, picture = result(ARCHIVE)
    readme, times = MARKS.subn(lambda found: found[1] + text + found[2], README.read_text())
    if times != 1:
        raise InputError(f"{README} has {times} places for the result; it needs one, as {MARKS.pattern}")
    write(PICTURE.parent, {PICTURE.name: picture})
    write(README.parent, {README.name: readme.encode()})
    print(f"{PICTURE}\n{README}")


def result(archive: Path) -> tuple[str, bytes]:
    """Return the README's result, as Markdown, and its picture, as PNG.

    Args:
        archive: stored runs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(["effects", *FOLDED, "--archive", str(archive), "--out", name])
        table = pd.read_csv(folder / "claims.csv", keep_default_na=False, na_values=[""]).fillna({"study": ""})
        picture = (folder / "effects.png").read_bytes()
        tables = {file.stem: file.read_text().strip() for file in folder.glob("*.md")}
    said = [f"- {sentence}" for sentence in sentences(read(), table)]
    folded = [
        f"<details><summary>{title}</summary>\n\n{tables[key]}\n\n</details>"
        for key, title in FOLDED.items()
        if key in tables
    ]
    alt = f"{effects.ARTEFACT.title}, claim by claim and study by study; every number is in the first table below"
    parts = [f"![{alt}]({PICTURE.relative_to(ROOT)})", "\n".join(said), *folded]
    return "\n\n".join(parts) + "\n", picture


if __name__ == "__main__":
    front_door(main)
