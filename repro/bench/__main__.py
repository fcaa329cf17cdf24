"""python -m repro.bench [NAME...] [--repeats N] [--targets] [--json FILE]

Time and memory compared with other libraries and theoretical limits, measured in turn, in one run. Without names: all.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import torch

from repro import bench
from repro.bench.comparison import Comparison, table
from repro.errors import InputError, Parser, did_you_mean, front_door, log_to_stderr, whole_number
from repro.files import write_whole
from repro.provenance import provenance


def main(arguments: list[str]) -> None:
    """Run the command line."""
    known = _found()
    options = _parser(known).parse_args(arguments)
    for name in options.names:
        if name not in known:
            raise InputError(f"no benchmark '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    if options.repeats is not None and options.repeats < 1:
        raise InputError(f"--repeats {options.repeats}: give at least 1")
    log_to_stderr()
    torch.manual_seed(0)
    machine = provenance(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    found: dict[str, list[Comparison]] = {}
    for name in options.names or known:
        print(f"{name}: {_asks(known[name])}", file=sys.stderr)
        found[name] = list(known[name].measure(options.repeats or known[name].REPEATS))
    rows = [one for each in found.values() for one in each if one.asked is not None or not options.targets]
    print(table(rows))
    print(f"\nMedians over repeats, on {machine['device']}, {machine['cores']} cores.")
    if options.json is not None:
        told = {
            name: [{**asdict(one), "ratio": one.ratio, "reached": one.reached} for one in each]
            for name, each in found.items()
        }
        write_whole(options.json, (json.dumps({"machine": machine, "benchmarks": told}, indent=2) + "\n").encode())


def _found() -> dict[str, ModuleType]:
    """Return every benchmark, by the name of its file."""
    names = [file.name for file in pkgutil.iter_modules(bench.__path__) if file.name != "__main__"]
    modules = {name: importlib.import_module(f"{bench.__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "measure")}


def _asks(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def _parser(known: dict[str, ModuleType]) -> Parser:
    parser = Parser(
        prog="python -m repro.bench",
        description=__doc__,
        epilog="benchmarks:\n" + "\n".join(f"  {name:12} {_asks(module)}" for name, module in known.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--repeats", type=whole_number(1), metavar="N", help="measurements of each (default: its own)")
    parser.add_argument("--targets", action="store_true", help="only rows that have a target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there as well")
    return parser


if __name__ == "__main__":
    front_door(main)
