"""python -m repro.db list|show RUN|diff RUN RUN|table FILE|watch|delete RUN...
python -m repro.db ping|serve|check|weights RUN FILE|features RUN FOLDER FILE|export FILE [RUN...]|import FILE

`list`, `show`, `diff` and `table` tell what is stored; `watch` shows what is running; `delete` deletes.
`ping` says whether the run database answers, and what it is; exit code 2 if not.
`serve` keeps the run database open and prints its address, for Omniboard or mongosh.
`check` verifies the checksums of every stored run.
`weights` writes a run's encoder to a safetensors file: `repro.load_encoder(FILE)` loads it, and so does plain
torchvision or timm where the network is one of theirs (a ResNet of width 64, stem imagenet).
`features` writes what a run's encoder computes for the images in a folder.
`export` writes runs as one zip file; the same runs always give the same bytes.
`import` adds the runs of such a file to a run database, with their ids.
"""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

from pymongo.database import Database

from repro.errors import InputError, Parser, StorageError, front_door, log_to_stderr, run_id, whole_number
from repro.files import write_whole
from repro.records import VERBS
from repro.store import (
    ENCODER,
    NO_ENCODER,
    examine,
    find_runs,
    foreign_runs,
    open_archive,
    open_database,
    problems_of,
    read_artifact,
    runs_folder,
)
from repro.store.address import named_address
from repro.store.archive import Archive
from repro.store.delivery import deliver_left_over
from repro.store.exporting import export, finished
from repro.store.importing import import_runs
from repro.store.integrity import RECORDED
from repro.store.inventory import repeated, strays
from repro.store.optional import OPTIONAL
from repro.store.source import DatabaseSource, Run


def main(arguments: list[str]) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    log_to_stderr()
    with contextlib.ExitStack() as stack:
        # A bad archive is refused before any database is opened.
        archive = stack.enter_context(open_archive(options.file)) if options.verb == "import" else None
        database = stack.enter_context(open_database(writes=options.verb in ("import", "delete")))
        for run_id in [] if options.verb == "ping" else deliver_left_over(database):
            print(f"run {run_id}: the rest of its record has been written to the database")
        match options.verb:
            case "ping":
                print(f"{_place(database)} answers")
            case "serve":
                _serve(database)
            case "check":
                _check(database)
            case "weights":
                _weights(database, options.run, options.file)
            case "export":
                _export(database, options)
            case "import":
                assert archive is not None
                _import(database, archive)
            case verb:
                VERBS[verb].run(database, options)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m repro.db", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    verbs.add_parser("ping", help="say whether the run database answers")
    verbs.add_parser("serve", help="keep the database open until Ctrl-C")
    verbs.add_parser(
        "check",
        help="list every run and what is wrong with it, and what belongs to no run; exit code 1 if a finished run is "
        "damaged",
    )
    weights = verbs.add_parser("weights", help="write a run's encoder to a file")
    weights.add_argument("run", type=run_id, help="run id")
    weights.add_argument("file", type=Path, help="file to write, e.g. encoder.safetensors")
    exporting = verbs.add_parser("export", help="write runs as one zip file")
    exporting.add_argument("file", type=Path, help="file to write, e.g. runs.zip")
    exporting.add_argument(
        "runs",
        type=run_id,
        nargs="*",
        metavar="RUN",
        help="run ids (default: all that have ended, also failed and damaged ones, which are marked)",
    )
    exporting.add_argument(
        "--first-id",
        type=run_id,
        metavar="ID",
        help="number the runs from here on (default: they keep their ids), so that an import does not meet ids that "
        "other runs have",
    )
    exporting.add_argument(
        "--nameless",
        action="store_true",
        help="leave out the names of the machine and folder where each run was made: for an archive that is published; "
        "paths in settings (data.csv, encoder.weights) stay",
    )
    exporting.add_argument(
        "--scores-of",
        type=whole_number(1),
        metavar="SEEDS",
        help="keep the test scores of the first SEEDS seeds of each method and setting (default: of all), and say so "
        "in the archive: scores are most of the size without weights, and figures read those of five seeds at most",
    )
    for name, kind in OPTIONAL.items():
        exporting.add_argument(
            f"--no-{name}",
            dest="without",
            action="append_const",
            const=name,
            default=[],
            help=f"leave out artifacts *{kind.ending}, and say so in the archive: {kind.when}",
        )
    for verb in VERBS.values():
        verb.add(verbs)
    importing = verbs.add_parser("import", help="import the runs of a file that `export` wrote")
    importing.add_argument("file", type=Path, help="file to read, e.g. runs.zip")
    return parser


def _place(database: Database) -> str:
    """Return what an open run database is called: its address, without credentials."""
    address = database.client.address
    assert address is not None
    return f"run database mongodb://{address[0]}:{address[1]}/{database.name}"


def _serve(database: Database) -> None:
    print(f"{_place(database)}   (Ctrl-C to leave)", flush=True)
    signal.pause()


def _check(database: Database) -> None:
    damaged, whole, older, runs = 0, [], 0, find_runs(database)
    if not runs:
        print(f"no runs of this kit in {runs_folder() / 'db' if named_address() is None else _place(database)}")
    source = DatabaseSource(database)
    for finding in examine(source, runs, details=True):
        run, problems = finding.run, finding.problems
        older += finding.older
        damaged += bool(problems) and run.get("status") in ("COMPLETED", "INCOMPLETE")
        whole += [] if problems else [run]
        word = "whole, stored by an older version" if finding.older else "whole"
        lacks = f"{word}, without {', '.join(finding.left_out)}: left out when it was archived"
        print(f"{_title(run)}: {'; '.join(problems) or (lacks if finding.left_out else word)}")
    if older:
        print(f"note: {older} runs are older: their {', '.join(RECORDED)} and sources have no checksum")
    for note in (*repeated(whole), *strays(source)):
        print(f"note: {note}")
    if damaged:
        raise StorageError(f"{damaged} finished runs are damaged; see above. Figures leave them out")


def _title(run: Run) -> str:
    config = run.get("config") or {}
    method = (config.get("method") or {}).get("name", "no method")
    return f"run {run['_id']} ({run.get('command')}, {method}, seed {config.get('seed')})"


def _weights(database: Database, run_id: int, file: Path) -> None:
    from safetensors.torch import load  # torch takes seconds, and no other verb needs it

    from repro.weights import about_encoder, weights_file

    found = find_runs(database, _id=run_id)
    if not found:
        raise InputError(f"run {run_id} is not in the run database; `check` lists the runs")
    if ENCODER not in {artifact["name"] for artifact in found[0]["artifacts"]}:
        raise InputError(f"run {run_id} ({found[0]['command']}, {found[0]['status']}) {NO_ENCODER}")
    if altered := [problem for problem in problems_of(database, found[0]) if ENCODER in problem]:
        raise StorageError(f"run {run_id}: {altered[0]}, so it is not written; import the run from an archive of it")
    weights = load(read_artifact(database, found[0], ENCODER))
    write_whole(file, weights_file(weights, {**about_encoder(found[0]["config"]), "run": run_id}))
    print(f"{file}: {_loaded_by(found[0])}")


def _loaded_by(run: Run) -> str:
    """Return which network the keys of a run's encoder are of."""
    encoder, about = run["config"]["encoder"], run["info"].get("encoder", {})
    if about.get("library") == "timm":
        made_with = "".join(f", {name}={value!r}" for name, value in about["made_with"].items())
        return f"keys as in timm.create_model({encoder['arch'].removeprefix('timm/')!r}{made_with})"
    resnet = encoder["arch"].startswith("resnet")
    shape = f", stem {encoder['stem']}, width {encoder['width']}" if resnet else ""
    plain = not resnet or (encoder["stem"], encoder["width"]) == ("imagenet", 64)
    loads = "keys as in torchvision, no classifier" if plain else "torchvision has no such network"
    return f"{encoder['arch']}{shape}; {loads}. `from repro import load_encoder` loads it"


def _export(database: Database, options: argparse.Namespace) -> None:
    source, runs = DatabaseSource(database), finished(database, options.runs)
    for finding in examine(source, runs):
        if finding.problems:
            print(f"exported as it is: run {finding.run['_id']}: {'; '.join(finding.problems)}", file=sys.stderr)
    if foreign := foreign_runs(database):
        print(foreign, file=sys.stderr)
    left_out = export(
        source, options.file, runs, options.without, options.first_id, options.nameless, options.scores_of
    )
    lighter = f"; {len(left_out)} artifacts left out, which the archive records" if left_out else ""
    print(f"{options.file}: {len(runs)} runs, {options.file.stat().st_size / 1e6:.1f} MB{lighter}")


def _import(database: Database, archive: Archive) -> None:
    done = import_runs(database, archive)
    completed = f", {len(done.completed)} completed with files that they lacked" if done.completed else ""
    lighter = f"; {len(archive.left_out)} artifacts were left out of the archive" if archive.left_out else ""
    print(f"{len(done.new)} runs imported{completed}, {len(done.there)} already there{lighter}")


if __name__ == "__main__":
    front_door(main)
