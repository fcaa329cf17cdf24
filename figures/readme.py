"""python -m figures.readme: the answer in README.md and the tables of docs/results.md, from the reference archive.

It writes figures/reference/effects.png, and the texts between the marks of the result in both files.
"""

import functools
import re
import tempfile
from pathlib import Path

import pandas as pd

from figures.__main__ import main as draw
from figures.artefacts import effects
from figures.artefacts.registry import ARTEFACTS
from figures.claims.answer import compute, extent, sentences
from figures.claims.ledger import read as read_ledger
from figures.evidence.reading import Records, read
from figures.evidence.titles import title
from figures.page.files import write
from repro.errors import InputError, Parser, front_door
from repro.store import open_archive

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "figures" / "reference"
ARCHIVE, PICTURE = REFERENCE / "runs.zip", REFERENCE / "effects.png"
README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results.md"

SCORES, TABLES = "semi_supervised", ("transfer", "sensitivity", "tuning", "published")
"""What stands in docs/results.md below the claims, where the archive gives it: the scores of each study that compares
methods, and tables over all studies."""

MARKS = re.compile(r"(<!-- result:[^>]*-->\n).*?(<!-- end of result -->)", re.DOTALL)


def main(arguments: list[str]) -> None:
    """Run the command line."""
    Parser(prog="python -m figures.readme", description=__doc__).parse_args(arguments)
    answer, tables, picture = result(ARCHIVE)
    for file, text in ((README, answer), (RESULTS, tables)):
        content, times = MARKS.subn(functools.partial(_between, text), file.read_text())
        if times != 1:
            raise InputError(f"{file} has {times} places for the result; it needs one, as {MARKS.pattern}")
        write(file.parent, {file.name: content.encode()})
        print(file)
    write(PICTURE.parent, {PICTURE.name: picture})
    print(PICTURE)


def _between(text: str, marks: re.Match[str]) -> str:
    return marks[1] + text + marks[2]


def result(archive: Path) -> tuple[str, str, bytes]:
    """Return the answer and the tables, as Markdown, and their picture, as PNG.

    Args:
        archive: stored runs.
    """
    titles = {artefact.name: artefact.title for artefact in ARTEFACTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(["effects", "claims", SCORES, *TABLES, "--archive", str(archive), "--out", name])
        with open_archive(archive) as stored:
            records = read(stored)
        table = pd.read_csv(folder / "claims.csv", keep_default_na=False, na_values=[""]).fillna({"study": ""})
        picture = (folder / "effects.png").read_bytes()
        several = [study for study in records.studies if len(study.references) > 1]
        scores = {f"{study.folder}/{SCORES}": f"{titles[SCORES]}: {title(study)}" for study in several}
        shown = {"claims": titles["claims"], **scores, **{each: titles[each] for each in TABLES}}
        files = {folder / f"{name}.md": heading for name, heading in shown.items()}
        found = [_section(heading, file.read_text()) for file, heading in files.items() if file.exists()]
    answer = "\n".join(f"- {sentence}" for sentence in sentences(read_ledger(), table))
    alt = f"{effects.ARTEFACT.title}, claim by claim and study by study; every number is in the first table below"
    figure = f"![{alt}](../{PICTURE.relative_to(ROOT)})"
    return f"{answer}\n\n{_held(records)}\n", "\n\n".join([figure, *found]) + "\n", picture


def _section(heading: str, text: str) -> str:
    """Return a table as a section: its heading, the table, and its caption below."""
    caption, table = text.strip().split("\n\n", 1)
    return f"## {heading}\n\n{table}\n\n{caption.partition('. ')[2]}"


def _held(records: Records) -> str:
    """Return what an archive holds: how many runs, of what, and the time they took."""
    runs = {run["_id"]: run for study in (*records.studies, *records.trials) for run in study.runs}
    tried = sum(len(study.runs) for study in records.trials)
    return f"{compute([*runs.values()], tried)} {extent(records.studies)}"


if __name__ == "__main__":
    front_door(main)
