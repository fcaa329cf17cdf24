"""`show`: one run."""

import argparse
from collections.abc import Iterator
from typing import Any

from pymongo.database import Database

from repro.errors import run_id
from repro.records.document import changed, config_of, document
from repro.records.summary import status_of, summary
from repro.store import examine
from repro.store.source import Run

TOLD = ("commit", "dirty", "image_id", "device", "threads", "python")
"""What is shown of the provenance."""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser("show", help="show a run: settings that are not the default, scores, provenance, files")
    parser.add_argument("run", type=run_id, help="run id")
    parser.add_argument("--output", action="store_true", help="also print the log of the run")


def run(database: Database, options: argparse.Namespace) -> None:
    """Print a run."""
    stored = document(database, options.run)
    print("\n".join(lines(database, stored)))
    if options.output:
        print(f"\nlog:\n{stored.get('captured_out', '')}", end="")


def lines(database: Database, run: Run) -> Iterator[str]:
    """Yield the lines that say what is known of a run."""
    status = status_of(database, run)
    told = summary(run, status)
    problems = next(examine(database, [run], details=True)).problems if status == "COMPLETED" else []
    yield f"run {told['run']}: {status}{', DAMAGED: ' + '; '.join(problems) if problems else ''}"
    yield f"{told['command']} {told['method']} {told['data']} seed {told['seed']}"
    if told["started"]:
        yield f"started {told['started'].astimezone():%Y-%m-%d %H:%M}, {told['minutes']} minutes"
    yield from _block("settings that are not the default", changed(run))
    split = "test" if config_of(run).get("evaluate.test", True) else "validation"
    yield from _block(f"scores on the {split} split", {name: f"{score:.4f}" for name, score in told["scores"].items()})
    learning = run["info"].get("learning") or {}
    yield from _block("linear readout on the validation split, at the end of pretraining", learning)
    about = run["info"].get("provenance") or {}
    yield from _block("provenance", {key: about[key] for key in TOLD if about.get(key) is not None})
    yield from _block("versions", about.get("versions") or {})
    files = {
        file["_id"]: file for file in database.fs.files.find({"_id": {"$in": [a["file_id"] for a in run["artifacts"]]}})
    }
    yield from _block("files", {item["name"]: _size(files.get(item["file_id"])) for item in run["artifacts"]})
    if trace := run.get("fail_trace"):
        yield from ("", "error:", *"".join(trace).rstrip().splitlines()[-3:])


def _block(title: str, values: dict[str, Any]) -> Iterator[str]:
    if values:
        width = max(map(len, values))
        yield from ("", f"{title}:", *(f"  {key:{width}}  {value}" for key, value in values.items()))


def _size(file: dict[str, Any] | None) -> str:
    if file is None:
        return "missing"
    return f"{file['length'] / 1000:,.1f} kB{', left out when it was archived' if 'left_out' in file else ''}"
