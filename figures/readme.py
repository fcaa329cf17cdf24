"""python -m figures.readme: the answer in README.md and the tables of docs/results.md, from the reference archive.

It writes their pictures into figures/reference/, and the texts between the marks of the result in both files.
"""

import functools
import json
import os
import re
import tempfile
from pathlib import Path

import pandas as pd

from figures import style
from figures.__main__ import main as draw
from figures.artefacts import effects, partner_errors
from figures.artefacts.artefact import Artefact
from figures.artefacts.registry import ARTEFACTS
from figures.claims.answer import compute, effect, extent, sentences
from figures.claims.ledger import read as read_ledger
from figures.evidence.reading import read
from figures.evidence.titles import listing, title
from figures.page.files import write
from repro.errors import InputError, Parser, front_door
from repro.store import open_archive

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "figures" / "reference"
ARCHIVE = REFERENCE / "runs.zip"
README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results.md"

SCORES, TABLES = "semi_supervised", ("transfer", "sensitivity", "tuning", "published")
"""What stands in docs/results.md below the claims, where the archive gives it: the scores of each study that compares
methods, and tables over all studies."""

EFFECTS, WHY = effects.ARTEFACT, partner_errors.ARTEFACT
PICTURES = {
    EFFECTS: "What the additional positive changes, claim by claim and study by study; the table below has the numbers",
    WHY: "Gain over BYOL against the share of partners with the right label",
}
"""Their texts for readers who do not see them. The first stands above the tables of docs/results.md, the second in the
README, and with its caption below those tables."""

MARKS = re.compile(r"(<!-- result:[^>]*-->\n).*?(<!-- end of result -->)", re.DOTALL)


def main(arguments: list[str]) -> None:
    """Run the command line."""
    Parser(prog="python -m figures.readme", description=__doc__).parse_args(arguments)
    answer, tables, pictures = result(ARCHIVE)
    for file, text in ((README, answer), (RESULTS, tables)):
        content, times = MARKS.subn(functools.partial(_between, text), file.read_text())
        if times != 1:
            raise InputError(f"{file} has {times} places for the result; it needs one, as {MARKS.pattern}")
        write(file.parent, {file.name: content.encode()})
        print(file)
    write(REFERENCE, pictures)
    for file in REFERENCE.glob("*.png"):
        if file.name not in pictures:
            file.unlink()
    for name in pictures:
        print(REFERENCE / name)


def _between(text: str, marks: re.Match[str]) -> str:
    return marks[1] + text + marks[2]


def result(archive: Path) -> tuple[str, str, dict[str, bytes]]:
    """Return the answer and the tables, as Markdown, and their pictures, file name -> PNG.

    Args:
        archive: stored runs.
    """
    titles = {artefact.name: artefact.title for artefact in ARTEFACTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw([*(each.name for each in PICTURES), "claims", SCORES, *TABLES, "--archive", str(archive), "--out", name])
        with open_archive(archive) as stored:
            records = read(stored)
        table = pd.read_csv(folder / "claims.csv", keep_default_na=False, na_values=[""]).fillna({"study": ""})
        drawn = {each: folder / f"{each.name}.png" for each in PICTURES}
        pictures = {each: file.read_bytes() for each, file in drawn.items() if file.exists()}
        captions = {each: json.loads((folder / f"{each.name}.json").read_text())["caption"] for each in pictures}
        numbers = pd.read_csv(folder / f"{WHY.name}.csv") if WHY in pictures else pd.DataFrame()
        several = [study for study in records.studies if len(study.references) > 1]
        scores = {f"{study.folder}/{SCORES}": f"{titles[SCORES]}: {title(study)}" for study in several}
        shown = {"claims": titles["claims"], **scores, **{each: titles[each] for each in TABLES}}
        files = {folder / f"{name}.md": heading for name, heading in shown.items()}
        sections = [_section(heading, file.read_text()) for file, heading in files.items() if file.exists()]
    runs = {run["_id"]: run for study in (*records.studies, *records.trials) for run in study.runs}
    tried = sum(len(study.runs) for study in records.trials)
    answer = [
        "\n".join(f"- {sentence}" for sentence in sentences(read_ledger(), table)),
        compute([*runs.values()], tried),
    ]
    tables = [extent(records.studies), *sections]
    if EFFECTS in pictures:
        tables.insert(1, _picture(EFFECTS, RESULTS))
    if WHY in pictures:
        answer.insert(1, f"{_picture(WHY, README)}\n\n{_read_as(numbers)}")
        tables.append(f"## {WHY.title}\n\n{_picture(WHY, RESULTS)}\n\n{_without_title(captions[WHY])}")
    named = {f"{each.name}.png": content for each, content in pictures.items()}
    return "\n\n".join(answer) + "\n", "\n\n".join(tables) + "\n", named


def _picture(artefact: Artefact, page: Path) -> str:
    """Return a picture as Markdown, as seen from a page."""
    return f"![{PICTURES[artefact]}]({os.path.relpath(REFERENCE, page.parent)}/{artefact.name}.png)"


def _read_as(numbers: pd.DataFrame) -> str:
    """Say how the README's picture is read, and what right partners alone gain; `numbers` are the picture's."""
    right = numbers[(numbers["method"] == partner_errors.ORACLE) & (numbers["error"] == 0)]
    right = right[right["weight"] == right["weight"].min()]
    right = right.assign(effect=100 * right["mean"], high=100 * right["high"], pairs=right["seeds"], unit="points")
    told = []
    for name, rows in right.groupby("study", sort=False):
        gains = [f"{effect(row)} ({style.PROTOCOLS[row.protocol].lower()})" for row in rows.itertuples()]
        told.append(f"{listing(gains)} points ({name})")
    return (
        "How good must partners be? Lines: an oracle chooses partners by their labels, right ones at a given rate. "
        "Marks: the selectors, at the rate that they reach. With right partners alone, the gain over BYOL is "
        f"{'; '.join(told)}. [Caption and numbers](docs/results.md#{WHY.title.lower().replace(' ', '-')})"
    )


def _section(heading: str, text: str) -> str:
    """Return a table as a section: its heading, the table, and its caption below."""
    caption, table = text.strip().split("\n\n", 1)
    return f"## {heading}\n\n{table}\n\n{_without_title(caption)}"


def _without_title(caption: str) -> str:
    return caption.partition(". ")[2]


if __name__ == "__main__":
    front_door(main)
