"""python -m figures [NAME...] [--out results] [--archive runs.zip]: every table and figure, from stored runs only.

Tables that are named are also printed, as Markdown.
"""

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pandas as pd

from figures.artefacts import registry
from figures.artefacts.artefact import Artefact
from figures.artefacts.registry import ARTEFACTS
from figures.drawing.rendering import renderers
from figures.evidence import ordering, reading
from figures.evidence.evidence import Evidence
from figures.evidence.metric_points import final
from figures.page.exhibits import begin, finish
from figures.page.files import remove, results_folder, write
from figures.page.index import PAGE, Chapter, page
from repro.doctor import before_work
from repro.errors import InputError, Parser, did_you_mean, front_door
from repro.store import RunSource, foreign_runs, open_archive, open_database, source_of


def main(arguments: list[str]) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    artefacts = _chosen(options.names)
    folder, show = results_folder(options.out or _usual_folder(options.archive)), bool(options.names)
    with _stored(options.archive) as stored, renderers(registry.__name__) as processes:
        found, desk = reading.read(stored), _Desk(artefacts, folder, processes, show)
        gc.freeze()  # the runs stay; statsmodels looks for garbage at every call
        for run in found.left_out:
            if run.replaced_by is None:
                print(f"left out: {run}", file=sys.stderr)
        if repeated := [run.run for run in found.left_out if run.replaced_by is not None]:
            print(f"left out: {len(repeated)} runs that a whole run repeats (index.html lists them)", file=sys.stderr)
        chapters, points = [], []
        for study in found.studies:
            evidence = Evidence((study,), found.points.of(study.all_series), stored)
            if study.series and not ordering.aside(study, found.studies):
                chapters.append(desk.chapter(evidence, study.folder))
            points.append(final(evidence.points).assign(study=study.key))
        points += [final(found.points.of(trial.all_series)).assign(study=trial.key) for trial in found.trials]
        together = Evidence(found.studies, pd.concat(points), stored, found.trials)
        overall = desk.chapter(together, "")
    if not options.names:
        write(folder, {PAGE: page(overall, chapters, found.left_out)})
        print(folder / PAGE)


def _usual_folder(archive: str | None) -> str:
    """Return where results go: those of an archive into a folder of their own, so that yours stay as they are."""
    results = os.environ.get("REPRO_RESULTS") or "results"
    return results if archive is None else str(Path(results) / "archives" / Path(archive).stem)


@contextlib.contextmanager
def _stored(archive: str | None) -> Iterator[RunSource]:
    """Yield the stored runs: of an archive, which needs no server, or else of the run database."""
    if archive is not None:
        with open_archive(Path(archive)) as source:
            yield source
    else:
        before_work("figures")
        with open_database(writes=False) as database:
            if foreign := foreign_runs(database):
                print(foreign, file=sys.stderr)
            yield source_of(database)


class _Desk:
    """Draws the artefacts asked for, writes them, and says so.

    Args:
        artefacts: which ones.
        folder: the results folder.
        renderers: processes to draw in.
        show: whether tables are printed, too.
    """

    def __init__(self, artefacts: list[Artefact], folder: Path, renderers: Executor, show: bool) -> None:
        self.artefacts, self.folder, self.renderers, self.show = artefacts, folder, renderers, show

    def chapter(self, evidence: Evidence, below: str) -> Chapter:
        """Draw what one study gives into the folder `below`; what all give together where it names none."""
        asked = [artefact for artefact in self.artefacts if artefact.overall == (not below)]
        begun = {artefact.title: begin(artefact, evidence, self.renderers) for artefact in asked}
        made = [finish(pending) for pending in begun.values() if pending is not None]
        for exhibit in made:
            name = exhibit.artefact.name
            write(self.folder / below, exhibit.files)
            print(self.folder / below / f"{name}.*")
            text = exhibit.files.get(f"{name}.md")
            if self.show and text is not None:
                print(f"\n{text.decode()}")
        without = [artefact for artefact in asked if begun[artefact.title] is None]
        for artefact in without:
            remove(self.folder / below, artefact.name)
        if without:
            names = ", ".join(artefact.name for artefact in without)
            print(f"not drawn{f' of {below}' * bool(below)}, since no run has their numbers: {names}", file=sys.stderr)
        return Chapter(evidence, made, [title for title, pending in begun.items() if pending is None])


def _chosen(names: list[str]) -> list[Artefact]:
    known = {artefact.name: artefact for artefact in ARTEFACTS}
    for name in names:
        if name not in known:
            raise InputError(f"no table or figure '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    return [artefact for artefact in ARTEFACTS if not names or artefact.name in names]


def _parser() -> Parser:
    width = max(len(artefact.name) for artefact in ARTEFACTS)
    listed = "\n".join(f"  {artefact.name:<{width}}  {artefact.title}" for artefact in ARTEFACTS)
    parser = Parser(
        prog="python -m figures",
        description="Draw every table and figure from the stored runs, and the page that shows them all.",
        epilog=f"tables and figures:\n{listed}\n\nRuns are read from --archive, $REPRO_MONGO_URI, or else from "
        "$REPRO_RUNS/db. Damaged or\nunfinished runs are left out and named. The same runs give the same bytes.",
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
        help="where to write (default: $REPRO_RESULTS, or results; for an archive the folder archives/NAME in it): a "
        "folder per study, and index.html",
    )
    parser.add_argument(
        "--archive",
        metavar="FILE",
        help="draw the runs of this file, which `python -m repro.db export` wrote; no database is needed",
    )
    return parser


if __name__ == "__main__":
    front_door(main)
