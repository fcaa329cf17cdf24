"""python -m figures [NAME...] [--out results] [--archive runs.zip]: every table and figure, from stored runs only.

Tables that are named are also printed, as Markdown.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from figures import records
from figures.exhibits import exhibit
from figures.files import results_folder, write
from figures.products import Artefact
from figures.registry import ARTEFACTS
from figures.report import PAGE, Chapter, page
from repro.errors import InputError, Parser, did_you_mean, front_door
from repro.store import RunSource, open_archive, open_database, source_of


def main(arguments: list[str]) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    artefacts = _chosen(options.names)
    folder = results_folder(options.out)
    with _stored(options.archive) as stored:
        found = records.read(stored)
        for run in found.left_out:
            print(f"left out: {run}", file=sys.stderr)
        chapters = []
        for study in found.studies:
            points = records.points_of(stored, study)
            chapters.append(_drawn(study, points, artefacts, folder, show=bool(options.names)))
    if not options.names:
        write(folder, {PAGE: page(chapters, found.left_out)})
        print(folder / PAGE)


@contextlib.contextmanager
def _stored(archive: str | None) -> Iterator[RunSource]:
    """Yield the stored runs: of an archive, which needs no server, or else of the run database."""
    if archive is not None:
        with open_archive(Path(archive)) as source:
            yield source
    else:
        with open_database(writes=False) as database:
            yield source_of(database)


def _drawn(study: records.Study, points: pd.DataFrame, artefacts: list[Artefact], folder: Path, show: bool) -> Chapter:
    made, missing = [], []
    for artefact in artefacts:
        one = exhibit(artefact, study, points)
        if one is None:
            missing.append(artefact.title)
            print(f"nothing to draw: {study.folder}/{artefact.name}: no stored run gives its numbers", file=sys.stderr)
            continue
        write(folder / study.folder, one.files)
        made.append(one)
        print(folder / study.folder / f"{artefact.name}.*")
        text = one.files.get(f"{artefact.name}.md")
        if show and text is not None:
            print(f"\n{text.decode()}")
    return Chapter(study, points, made, missing)


def _chosen(names: list[str]) -> list[Artefact]:
    known = {artefact.name: artefact for artefact in ARTEFACTS}
    for name in names:
        if name not in known:
            raise InputError(f"no table or figure '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    return [artefact for artefact in ARTEFACTS if not names or artefact.name in names]


def _parser() -> Parser:
    listed = "\n".join(f"  {artefact.name:<18}{artefact.title}" for artefact in ARTEFACTS)
    parser = Parser(
        prog="python -m figures",
        description="Draw every table and figure from the stored runs, and the page that shows them all.",
        epilog=f"tables and figures:\n{listed}\n\nRuns are read from --archive, $REPRO_MONGO_URI, or else from "
        "$REPRO_RUNS/db. Runs that are\nnot whole are left out and named. The same runs give the same bytes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="draw only these, print the tables among them as Markdown too, and leave index.html as it is "
        "(default: all, and index.html)",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        default=os.environ.get("REPRO_RESULTS") or "results",
        help="where to write (default: $REPRO_RESULTS, or results); a folder per study, and index.html",
    )
    parser.add_argument(
        "--archive",
        metavar="FILE",
        help="draw the runs of this file, which `python -m repro.db export` wrote; no database is needed",
    )
    return parser


if __name__ == "__main__":
    front_door(main)
