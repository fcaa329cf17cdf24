"""python -m repro.db serve|check|weights RUN FILE

`serve` keeps the run database open and prints its address, for Omniboard or mongosh.
`check` holds every stored run against what it counted while it ran.
`weights` writes a run's encoder to a safetensors file that plain torchvision loads.
"""

import argparse
import os
import signal
from pathlib import Path

from pymongo.database import Database

from repro.errors import InputError, StorageError, front_door, log_to_stderr
from repro.files import write_whole
from repro.store import ENCODER, find_runs, open_database, problems_of, read_artifact, runs_folder
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
    weights = verbs.add_parser("weights", help="write a run's encoder to a file")
    weights.add_argument("run", type=int, help="run id")
    weights.add_argument("file", type=Path, help="file to write, e.g. encoder.safetensors")
    options = parser.parse_args(arguments)
    log_to_stderr()
    with open_database() as database:
        for run_id in deliver_left_over(database):
            print(f"run {run_id}: what was left of its record has been delivered")
        match options.verb:
            case "serve":
                _serve(database)
            case "check":
                _check(database)
            case "weights":
                _weights(database, options.run, options.file)


def _serve(database: Database) -> None:
    address = database.client.address
    assert address is not None
    print(f"run database: mongodb://{address[0]}:{address[1]}/{database.name}   (Ctrl-C to leave)", flush=True)
    signal.pause()


def _check(database: Database) -> None:
    damaged, runs = 0, find_runs(database)
    if not runs:
        print(f"no runs in {(os.environ.get('REPRO_MONGO_URI') and 'REPRO_MONGO_URI') or runs_folder() / 'db'}")
    for run in runs:
        config = run["config"]
        method = config.get("method", {}).get("name", "of another experiment")
        name = f"run {run['_id']} ({run['command']}, {method}, seed {config.get('seed')})"
        problems = problems_of(database, run)
        damaged += bool(problems) and run["status"] in ("COMPLETED", "INCOMPLETE")
        print(f"{name}: {'; '.join(problems) or 'whole'}")
    if damaged:
        raise StorageError(f"{damaged} finished runs are damaged; see above. Figures leave them out")


def _weights(database: Database, run_id: int, file: Path) -> None:
    found = find_runs(database, _id=run_id)
    if not found or ENCODER not in {artifact["name"] for artifact in found[0]["artifacts"]}:
        raise InputError(f"run {run_id} is not in the run database, or stored no encoder; `check` lists the runs")
    write_whole(file, read_artifact(database, found[0], ENCODER))
    encoder = found[0]["config"]["encoder"]
    print(f"{file}: {encoder['arch']}, stem {encoder['stem']}, width {encoder['width']}; keys as in torchvision, no fc")


if __name__ == "__main__":
    front_door(main)
