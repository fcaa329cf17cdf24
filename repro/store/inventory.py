"""Inventory of what a run database holds beside complete runs. Nothing here changes anything."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

from repro.store.documents import mentions
from repro.store.foreign import OURS, foreign_runs
from repro.store.importing import IMPORTING
from repro.store.source import DatabaseSource, Run

SHOWN = 10
"""Ids that one sentence names."""

NEEDED = {"status": 1, "artifacts": 1, "resources": 1, "experiment.sources": 1}


def repeated(runs: Iterable[Run]) -> Iterator[str]:
    """Yield a sentence for every cell of which several of the given whole runs are; figures draw the newest."""
    cells = defaultdict(list)
    for run in runs:
        cells[(run.get("info") or {}).get("cell")].append(run["_id"])
    for cell, run_ids in cells.items():
        if cell is not None and len(run_ids) > 1:
            yield f"{_runs(run_ids)} are whole runs of the same cell, {cell}; figures draw the newest"


def strays(source: DatabaseSource) -> Iterator[str]:
    """Yield a sentence for all that no run mentions, or that is mentioned and not there, or mentioned twice.

    Artifacts are judged with their runs (`integrity`); here are the sources and resources. What belongs to other
    experiments is counted, and not judged.
    """
    database = source.database
    runs = list(database.runs.find(OURS, NEEDED).sort("_id", ASCENDING))
    if foreign := foreign_runs(database):
        yield foreign
    if broken_off := sorted(run["_id"] for run in runs if run.get("status") == IMPORTING):
        yield f"the import of {_runs(broken_off)} was broken off; type the same import again"
    yield from _stray_metrics(source, runs)
    yield from _stray_files(database, runs)
    yield from _mentioned_twice(runs)
    yield from _unreadable(source, runs)


def _stray_metrics(source: DatabaseSource, runs: list[Run]) -> Iterator[str]:
    """Yield a sentence for metrics under ids that are of no run, and one for those that the run of their id disowns."""
    database = source.database
    there = {run["_id"] for run in database.runs.find({}, {"_id": 1})}
    orphans = Counter(one["run_id"] for one in _metrics(database) if one["run_id"] not in there)
    if orphans:
        few = sorted(orphans, key=lambda run_id: (str(type(run_id)), run_id))
        gone = _runs(few[:SHOWN]) + (f" and {len(few) - SHOWN} more" if len(few) > SHOWN else "")
        verb = "is" if len(few) == 1 else "are"
        why = "deleted, or of an experiment that shares them"
        yield f"{orphans.total()} metrics are of {gone}, which {verb} not there: {why}"
    listed = source.listed([run["_id"] for run in runs])
    others = sum(str(one["_id"]) not in listed.get(one["run_id"], {str(one["_id"])}) for one in _metrics(database))
    if others:
        yield f"{others} metrics have the id of a run here, but are of an experiment that shares the collection"


def _metrics(database: Database) -> Iterator[dict[str, Any]]:
    return ({"run_id": None, **one} for one in database.metrics.find({}, {"run_id": 1}))


def _stray_files(database: Database, runs: list[Run]) -> Iterator[str]:
    mentioned = {file_id for run in runs for _, _, file_id in mentions(run)}
    # A file of a run that goes on is stored a moment before the run mentions it.
    going_on = {run["_id"] for run in runs if run.get("status") == "RUNNING"}
    there = {file["_id"]: file for file in database.fs.files.find({}, {"filename": 1, "metadata": 1})}
    foreign = 0
    for file_id, file in there.items():
        about = file.get("metadata") or {}
        if file_id in mentioned or about.get("run_id") in going_on:
            continue
        if "sha256" in about:
            yield f"file {file_id} ({file.get('filename')}) of run {about.get('run_id')} is mentioned by no run"
        else:
            foreign += 1  # every file of the kit's has its SHA-256 beside it
    if foreign:
        yield f"{foreign} files are of other experiments"
    if not going_on:
        for file_id in sorted(set(database.fs.chunks.distinct("files_id")) - there.keys(), key=str):
            yield f"pieces of a file {file_id} are there without the file"


def _mentioned_twice(runs: list[Run]) -> Iterator[str]:
    """Sources are stored once for all runs that share them; nothing else may be shared."""
    owners: dict[Any, list[str]] = defaultdict(list)
    sources = {file_id for run in runs for kind, _, file_id in mentions(run) if kind == "sources"}
    for run in runs:
        for kind, name, file_id in mentions(run):
            if kind != "sources":
                owners[file_id].append(f"{name} of run {run['_id']}")
    for file_id, places in owners.items():
        if len(places) + (file_id in sources) > 1:
            yield f"file {file_id} is mentioned twice: as {' and '.join(places + ['a source'] * (file_id in sources))}"


def _unreadable(source: DatabaseSource, runs: list[Run]) -> Iterator[str]:
    named = {file_id: (kind, name) for run in runs for kind, name, file_id in mentions(run) if kind != "artifacts"}
    users = Counter(file_id for run in runs for _, _, file_id in mentions(run))
    contents = source.contents(named)
    recorded = {
        file["_id"]: file.get("metadata", {}).get("sha256")
        for file in source.database.fs.files.find({"_id": {"$in": list(named)}}, {"metadata": 1})
    }
    for file_id, (kind, name) in named.items():
        content = contents.get(file_id)
        title = f"{kind.removesuffix('s')} {name}, which {users[file_id]} runs mention,"
        if content is None or content.sha256 is None:
            yield f"{title} cannot be read"
        elif recorded[file_id] not in (None, content.sha256):
            yield f"{title} is altered"


def _runs(run_ids: list[Any]) -> str:
    return f"run {run_ids[0]}" if len(run_ids) == 1 else f"runs {', '.join(map(str, run_ids))}"
