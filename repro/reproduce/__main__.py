"""python -m repro.reproduce plan|status|run --scale smoke

The whole study: `plan` prints its cells, `status` where each stands, `run` runs only what is missing.
"""

import argparse
import sys
from collections import Counter

from sacred.arg_parser import get_config_updates

from repro.configs import DATASETS
from repro.configs.plans import PLANS
from repro.configs.resolve import flat, resolve
from repro.errors import InputError, StorageError, front_door, log_to_stderr
from repro.procedure import images_of
from repro.reproduce.local import run_missing
from repro.reproduce.plan import Cell, cells, standing
from repro.store import open_database


def main(arguments: list[str]) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    log_to_stderr()
    study = _study(options)
    if options.verb == "plan":
        print(PLANS[options.scale].doc)
        for cell in study:
            print(f"  {cell.key}  {cell.command}")
        print(f"{len(study)} cells")
        return
    with open_database() as database:
        if options.verb == "run":
            failures = run_missing(database, study)
            if failures:
                for failure in failures:
                    print(f"failed: {failure.cell.command}\n        {failure.reason}", file=sys.stderr)
                raise StorageError(f"{len(failures)} of {len(study)} cells failed; the others are stored. See above")
        states = [(standing(database, cell), cell) for cell in study]
    if options.verb == "status":
        for state, cell in states:
            print(f"  {state:8} {cell.command}")
    counts = Counter(state for state, _ in states)
    print(f"{len(study)} cells: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


def _study(options: argparse.Namespace) -> list[Cell]:
    updates, named = get_config_updates(options.set)
    if named:
        raise InputError(f"--set takes key=value, not '{named[0]}'")
    flat_updates = dict(flat(updates))
    stand_ins = {}
    if options.fallback:
        for dataset in PLANS[options.scale].datasets:
            try:
                images_of(resolve([dataset, options.scale], flat_updates))
            except InputError as error:
                stand_ins[dataset] = options.fallback
                print(
                    f"NOTICE: {dataset} is not to be had, so {options.fallback.upper()} IMAGES STAND IN FOR IT; every "
                    f"caption says so.\n        ({error})",
                    file=sys.stderr,
                )
    return cells(options.scale, options.methods, options.seeds, stand_ins, flat_updates)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m repro.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "verb",
        choices=("plan", "status", "run"),
        help="print the cells, say where they stand, run what is missing",
    )
    parser.add_argument(
        "--scale",
        choices=PLANS,
        required=True,
        help="how much: " + "; ".join(f"{k}: {v.doc}" for k, v in PLANS.items()),
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="these methods in place of the plan's, e.g. simclr nnclr semixup",
    )
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[], metavar="N", help="these seeds instead of the plan's"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="settings for every cell, e.g. pretrain.epochs=2",
    )
    parser.add_argument(
        "--fallback",
        choices=tuple(n for n in DATASETS if n.startswith("phantom")),
        help="procedural images to use, marked as such, where a data set cannot be had",
    )
    return parser


if __name__ == "__main__":
    front_door(main)
