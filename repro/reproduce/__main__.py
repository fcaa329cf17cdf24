"""python -m repro.reproduce plan|status|run|tune --scale medmnist, or verify RUN_ID

The whole study: `plan` prints its cells and what they cost, `status` their status; `run` runs missing cells.
`tune` chooses each method's recipe on validation images, before a study. `verify` executes stored runs again and
compares every number.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo.database import Database

from repro.configs import DATASETS
from repro.configs.grids import TUNINGS
from repro.configs.plans import PLANS
from repro.configs.resolve import flat
from repro.doctor import before_work
from repro.errors import (
    InputError,
    Parser,
    StorageError,
    front_door,
    log_to_stderr,
    positive,
    run_id,
    whole_number,
)
from repro.files import write_whole
from repro.reproduce.study.cells import Cell, cells
from repro.reproduce.study.plan_table import table
from repro.reproduce.study.status import STATES, Standing, standings
from repro.store import open_database
from repro.store.delivery import deliver_left_over

if TYPE_CHECKING:
    from repro.reproduce.engines.local import Failure  # torch takes seconds to import

SHOWN = 5
"""Commands of cells that failed for one reason which are shown."""


def main(arguments: list[str]) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    log_to_stderr()
    writes = options.verb in ("run", "tune")
    if writes:
        before_work("reproduce")
    study = [] if options.verb in ("verify", "tune") else _study(options)
    with open_database(writes=writes) as database:
        deliver_left_over(database)
        match options.verb:
            case "plan":
                _plan(database, study, options)
            case "status":
                _status(database, study, options.check)
            case "run":
                _run(database, study, options)
            case "tune":
                _tune(database, options)
            case "verify":
                _verify(database, options)


def _plan(database: Database, study: Sequence[Cell], options: argparse.Namespace) -> None:
    if not options.data:
        print(PLANS[options.scale].doc)
    if options.cells:
        for cell in study:
            print(f"  {cell.key}  {cell.command}")
    else:
        from repro.reproduce.engines.job_count import jobs_for
        from repro.reproduce.study.cost import costs, stored_seconds  # torch takes seconds to import

        done = [standing.state == "done" for standing in standings(database, study)]
        left = [cell for cell, already in zip(study, done, strict=True) if not already]
        jobs = jobs_for(left or study)  # on a GPU that shows while they run
        print(table(study, done, costs(left, stored_seconds(database, left)), jobs if isinstance(jobs, int) else 1))


def _status(database: Database, study: Sequence[Cell], check: bool) -> None:
    found = standings(database, study)
    if check:
        from repro.reproduce.study.completed import done_by  # torch takes seconds to import
    for number, (cell, standing) in enumerate(zip(study, found, strict=True)):
        if check and standing.state == "done" and done_by(database, cell) is None:
            found[number] = standing = Standing("damaged", standing.run, "it is not whole, or of other images than now")
        run = "" if standing.run is None else f"run {standing.run}"
        print(f"  {standing.state:8} {run:9} {cell.command}")
        if standing.reason:
            print(f"  {'':18} {standing.reason}")
    _count(found)


def _run(database: Database, study: Sequence[Cell], options: argparse.Namespace) -> None:
    if options.engine == "local" and (options.address, options.cpus, options.gpus) != (None, None, None):
        raise InputError("--address, --cpus and --gpus are for --engine ray; the local engine takes --jobs")
    if options.engine == "ray" and options.jobs is not None:
        raise InputError("--jobs is for the local engine; with --engine ray, set --cpus and --gpus of a cell")
    # Imported late: torch takes seconds.
    if options.fetch:
        from repro.reproduce.study.images import fetch_missing

        fetch_missing(study)
    if options.engine == "ray":
        from repro.reproduce.engines import cluster

        cores = options.cpus or max(cell.config["threads"] for cell in study)
        failures = cluster.run_missing(study, options.address, cores, options.gpus)
    else:
        from repro.reproduce.engines import local
        from repro.reproduce.engines.job_count import jobs_for

        failures = local.run_missing(database, study, options.jobs or jobs_for(study))
    _name(failures)
    if failures:
        raise StorageError(f"{len(failures)} of {len(study)} cells failed; the others are stored. See above")
    _count(standings(database, study))


def _tune(database: Database, options: argparse.Namespace) -> None:
    from repro.reproduce.engines import local  # torch takes seconds to import
    from repro.reproduce.engines.job_count import jobs_for
    from repro.reproduce.tuning.tune import report, tune, write

    def run(trials: Sequence[Cell]) -> "list[Failure]":
        return local.run_missing(database, trials, options.jobs or jobs_for(trials))

    recipes, found, failures = tune(database, options.scale, options.methods, run)
    print(report(found, recipes))
    _name(failures)
    if recipes and not options.dry:
        write(options.scale, recipes)
        print(f"chosen for {', '.join(recipes)}; written to repro/configs/recipes.json")
    if failures:
        raise StorageError(f"{len(failures)} trials failed; their methods keep their present recipe. See above")


def _name(failures: Sequence["Failure"]) -> None:
    """Name the cells that failed, those of one reason together: images that cannot be had are many cells' reason."""
    commands: dict[str, list[str]] = {}
    for failure in failures:
        commands.setdefault(failure.reason, []).append(failure.cell.command)
    for reason, failed in commands.items():
        more = [f"and {len(failed) - SHOWN} more, which `status` lists"] if len(failed) > SHOWN else []
        print("failed: " + "\n        ".join([*failed[:SHOWN], *more, reason]), file=sys.stderr)


def _verify(database: Database, options: argparse.Namespace) -> None:
    if bool(options.runs) == (options.sample is not None):
        raise InputError("verify takes run ids, or --sample N to choose among the stored runs")
    # Imported late: torch takes seconds.
    from repro.reproduce.engines.job_count import jobs_for_runs
    from repro.reproduce.verification.report import plain, report
    from repro.reproduce.verification.sample import sample
    from repro.reproduce.verification.verify import failed, verify

    chosen = options.runs or sample(database, options.sample, options.seed)
    verdicts = verify(database, chosen, options.jobs or jobs_for_runs(database, chosen))
    print(report(verdicts))
    if options.json is not None:
        write_whole(options.json, (json.dumps(plain(verdicts), indent=2) + "\n").encode())
    if failed(verdicts):
        sys.exit(1)


def _count(found: Sequence[Standing]) -> None:
    counts = Counter(standing.state for standing in found)
    print(f"{len(found)} cells: " + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))


def _study(options: argparse.Namespace) -> list[Cell]:
    updates = _updates(options.set)
    found = {}
    if options.fallback:
        from repro.reproduce.study.images import stand_ins  # torch takes seconds to import

        found = stand_ins(options.scale, options.fallback, updates)
    return cells(options.scale, options.methods, options.seeds, found, updates, options.data)


def _updates(words: list[str]) -> dict[str, Any]:
    """Return dotted key -> value of words such as `pretrain.epochs=2`."""
    if not words:
        return {}
    from sacred.arg_parser import get_config_updates  # Sacred takes a second to import

    updates, named = get_config_updates(words)
    if named:
        raise InputError(f"--set takes key=value, not '{named[0]}'")
    return dict(flat(updates))


def _parser() -> Parser:
    parser = Parser(
        prog="python -m repro.reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    plan = verbs.add_parser("plan", help="print the cells, what is done, and how long the rest takes")
    status = verbs.add_parser("status", help="print the status of each cell")
    run = verbs.add_parser("run", help="run missing cells")
    for verb in (plan, status, run):
        _add_study(verb)
    plan.add_argument("--cells", action="store_true", help="print every cell and its command, and no costs")
    status.add_argument("--check", action="store_true", help="read every finished run back, as `run` does")
    run.add_argument(
        "--fetch",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="first download and decode the images that are missing, without asking (default: MedMNIST's alone, as "
        "they are needed)",
    )
    run.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: this machine's cores (default); ray: a Ray cluster, on several machines",
    )
    run.add_argument("--address", metavar="HOST:PORT", help="ray: a running cluster (default: start one here)")
    run.add_argument("--cpus", type=positive, metavar="N", help="ray: cores of a cell (default: its threads)")
    run.add_argument(
        "--gpus", type=positive, metavar="N", help="ray: GPUs of a cell, 0.5 for two on one (default: 1 if any)"
    )
    tune = verbs.add_parser("tune", help="choose each method's recipe on validation images; runs only what is missing")
    tune.add_argument("--scale", choices=TUNINGS, required=True, help="scale whose recipes are chosen")
    tune.add_argument(
        "--methods",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="these methods only; random_init: the number of fine-tuning steps (default: all)",
    )
    tune.add_argument("--dry", action="store_true", help="run missing trials and show the choice, but do not write it")
    verify = verbs.add_parser(
        "verify", help="execute stored runs again and compare every number; exit code 1 if they differ"
    )
    verify.add_argument(
        "runs", nargs="*", type=run_id, metavar="RUN_ID", help="finished runs; `repro.db check` lists them"
    )
    verify.add_argument(
        "--sample", type=whole_number(1), metavar="N", help="verify N stored runs of different kinds, in place of ids"
    )
    verify.add_argument("--seed", type=whole_number(0), default=0, help="seed of the choice of the sample (default: 0)")
    verify.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts there as well")
    for verb in (run, tune, verify):
        verb.add_argument(
            "--jobs",
            type=whole_number(1, 1024),
            metavar="N",
            help="runs at once, each in its own process (default: one per free core); 1: one after the other",
        )
    return parser


def _add_study(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which cells are meant."""
    parser.add_argument(
        "--scale",
        choices=PLANS,
        required=True,
        help="size of the study; docs/study.md says what each is",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="these methods instead of the plan's, e.g. simclr nnclr semixup",
    )
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[], metavar="N", help="these seeds instead of the plan's"
    )
    parser.add_argument(
        "--data",
        metavar="DATASET",
        help="this data set instead of the plan's, e.g. --data folder --set data.csv=my/labels.csv",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings for every cell, e.g. pretrain.epochs=2"
    )
    parser.add_argument(
        "--fallback",
        choices=tuple(n for n in DATASETS if n.startswith("phantom")),
        help="procedural images to use, marked as such, where a data set is not available",
    )


if __name__ == "__main__":
    front_door(main)
