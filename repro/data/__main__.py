"""python -m repro.data list|fetch NAME|check NAME

`list` names the data sets. `fetch` downloads one, or continues where it was stopped. `check` reads one and reports
its counts, its hashes, and whether its splits leak: share patients, lesions or pictures. Exit code 1 if they do.
"""

import argparse
import json
import sys
from pathlib import Path

from repro.configs import DATASETS
from repro.configs.resolve import resolve
from repro.data import load
from repro.data.duplicates import DISTANCE
from repro.data.fetch import fetch
from repro.data.report import Report, inspect
from repro.data.report_text import text_of
from repro.errors import InputError, did_you_mean, front_door, log_to_stderr

FARTHEST = 16
"""Most bits that `--near` takes: unlike images are about 32 apart, and at 16 their pairs are too many. [us]"""


def main(arguments: list[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m repro.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="name the data sets")
    get = verbs.add_parser("fetch", help="download the official files of a data set")
    get.add_argument("name", help="a data set of `list`")
    get.add_argument("--mirror", metavar="URL", help="folder with the official files (default: $REPRO_MIRROR)")
    get.add_argument("--yes", action="store_true", help="do not ask before a large download")
    get.add_argument("--verify", action="store_true", help="hash again what is there already")
    get.add_argument("--remove-archives", action="store_true", help="delete each archive once it is unpacked")
    check = verbs.add_parser("check", help="report what a data set holds; exit code 1 if its splits leak")
    check.add_argument("name", help="a data set of `list`")
    check.add_argument("--size", type=int, help="pixels (default: the named config's)")
    check.add_argument("--split", help="which division into train, val and test (default: the named config's)")
    check.add_argument(
        "--near",
        type=int,
        default=DISTANCE,
        metavar="BITS",
        help="most bits of 64 in which the hashes of near duplicates differ, 0 to 16 (default: %(default)s); "
        "raise it to look further, at the price of time",
    )
    check.add_argument("--strict", action="store_true", help="near duplicates across splits are a leak, too")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    options = parser.parse_args(arguments)
    log_to_stderr()
    if options.verb == "list":
        for name, config in DATASETS.items():
            print(f"{name:16} {config.doc}")
        return
    if options.verb == "fetch":
        fetch(options.name, options.mirror, options.yes, options.verify, options.remove_archives)
        return
    if options.name not in DATASETS:
        hint = did_you_mean(options.name, DATASETS)
        raise InputError(f"no data set '{options.name}'.{hint} Known: {', '.join(DATASETS)}")
    if not 0 <= options.near <= FARTHEST:
        raise InputError(f"--near {options.near}: give 0 to {FARTHEST} bits; further apart, hashes say nothing")
    given = {f"data.{key}": getattr(options, key) for key in ("size", "split") if getattr(options, key) is not None}
    data = resolve([options.name], given)["data"]
    report = inspect(load(data["name"], data["size"], data["split"], data["limit"]), data["split"], options.near)
    print(text_of(report))
    if options.json is not None:
        _write(report, options.json)
    print(f"\n{report.verdict(options.strict)}")
    if report.leaks(options.strict):
        sys.exit(1)


def _write(report: Report, file: Path) -> None:
    partial = file.with_name(file.name + ".partial")
    try:
        partial.write_text(json.dumps(report.plain(), indent=2) + "\n")
        partial.rename(file)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}. Name a place you may write to") from None


if __name__ == "__main__":
    front_door(main)
