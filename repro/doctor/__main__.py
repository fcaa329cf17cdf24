"""python -m repro.doctor [--json FILE]: check this machine: what it offers, and what will fail, in half a minute.

One line for each finding, with what to do. Exit code 1 if something will fail.
"""

import argparse
import dataclasses
import json
import logging
import sys
import warnings
from pathlib import Path

from repro.doctor import examine, questions
from repro.errors import Parser, front_door, log_to_stderr
from repro.files import write_whole

MARKS = {"fine": "  ok  ", "note": "  note", "fails": "FAILS "}


def main(arguments: list[str]) -> None:
    """Run the command line."""
    parser = Parser(
        prog="python -m repro.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there as well")
    options = parser.parse_args(arguments)
    log_to_stderr(logging.ERROR)
    warnings.simplefilter("ignore")
    found = []
    for title, finding in examine(questions()):
        found.append({"question": title, **dataclasses.asdict(finding)})
        print(f"{MARKS[finding.level]}  {title:<10}  {' '.join(finding.line.split())}", flush=True)
    failing = sum(one["level"] == "fails" for one in found)
    print(f"{len(found)} checks, {failing} failed" if failing else f"{len(found)} checks, no problem found")
    if options.json is not None:
        write_whole(options.json, (json.dumps(found, indent=2) + "\n").encode())
    if failing:
        sys.exit(1)


if __name__ == "__main__":
    front_door(main)
