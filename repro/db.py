"""python -m repro.db serve|check

`serve` keeps the run database open and prints its address, for Omniboard or mongosh.
`check` holds every stored run against what it counted while it ran.
"""

import argparse
import signal

from pymongo.database import Database

from repro.errors import StorageError, front_door, log_to_stderr
from repro.store import find_runs, open_database, problems_of
from repro.store.delivery import deliver_left_over


def main(arguments: list[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m repro.db", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve", help="keep the database open until Ctrl-C")
    verbs.add_parser(
        "check", help="list every run and what is wrong with it; exit code 1 if a completed one is damaged"
    )
    options = parser.parse_args(arguments)
    log_to_stderr()
    with open_database() as database:
        for run_id in deliver_left_over(database):
            print(f"run {run_id}: what was left of its record has been delivered")
        {"serve": _serve, "check": _check}[options.verb](database)


def _serve(database: Database) -> None:
    address = database.client.address
    assert address is not None
    print(f"run database: mongodb://{address[0]}:{address[1]}/{database.name}   (Ctrl-C to leave)", flush=True)
    signal.pause()


def _check(database: Database) -> None:
    damaged = 0
    for run in find_runs(database):
        name = f"run {run['_id']} ({run['command']}, {run['config']['method']['name']}, seed {run['config']['seed']})"
        problems = problems_of(database, run)
        damaged += bool(problems) and run["status"] in ("COMPLETED", "INCOMPLETE")
        print(f"{name}: {'; '.join(problems) or 'whole'}")
    if damaged:
        raise StorageError(f"{damaged} finished runs are damaged; see above. Figures leave them out")


if __name__ == "__main__":
    front_door(main)
