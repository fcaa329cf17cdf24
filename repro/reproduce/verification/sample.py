"""Choice of stored runs to verify."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymongo.database import Database

from repro import machine
from repro.errors import InputError
from repro.reproduce.verification.reexecution import earlier_runs
from repro.reproduce.verification.verify import executable
from repro.store import find_runs, problems_of
from repro.store.optional import OPTIONAL

log = logging.getLogger("repro.reproduce")


def sample(database: Database, count: int, seed: int = 0) -> list[int]:
    """Return the ids, ascending, of at most `count` whole finished runs: the same for the same database and seed.

    Drawn one by one, always from those whose command, method and data set have been drawn least so far. Runs that
    cannot be executed here are not drawn: those of a GPU where there is none, and those that rest on an encoder which
    an archive left out.

    Raises:
        InputError: `count` is not positive, or there is no whole run that can be executed here.
    """
    if count < 1:
        raise InputError(f"--sample {count}: at least one run is needed")
    ours = [run for run in find_runs(database, status="COMPLETED") if executable(run)]
    lacking = _lacking(database, ours)
    for what, number in Counter(lacking.values()).items():
        log.info("not drawn because they need %s: %d of %d runs", what, number, len(ours))
    runs = [run for run in ours if run["_id"] not in lacking]
    waiting = [runs[i] for i in np.random.default_rng(seed).permutation(len(runs))]
    drawn: list[int] = []
    seen: Counter[Any] = Counter()
    while waiting and len(drawn) < count:
        run = min(waiting, key=lambda run: (seen[_kinds(run)], sum(seen[kind] for kind in _kinds(run))))
        waiting.remove(run)
        if problems_of(database, run):
            continue
        drawn.append(run["_id"])
        seen.update([_kinds(run), *_kinds(run)])
    if not drawn:
        raise InputError(
            "--sample: the run database has no whole run that can be executed here; `python -m repro.db check` lists "
            "them all"
        )
    return sorted(drawn)


def _lacking(database: Database, runs: Sequence[dict[str, Any]]) -> dict[int, str]:
    """Return, by id, what a run needs to be executed that is not to be had here; nothing of runs that lack nothing."""
    earlier = {run["_id"]: set(earlier_runs(run["config"])) for run in runs}
    left_out = {file["_id"] for file in database.fs.files.find({"left_out": {"$exists": True}}, {"_id": 1})}
    without = {
        run["_id"]
        for run in find_runs(database, _id={"$in": sorted(set().union(*earlier.values()))})
        for artifact in run["artifacts"]
        if artifact["name"].endswith(OPTIONAL["weights"].ending) and artifact["file_id"] in left_out
    }
    lacking = {
        run_id: "networks of earlier runs, which an archive left out" for run_id in earlier if earlier[run_id] & without
    }
    if not machine.gpu():
        lacking |= {run["_id"]: "a GPU" for run in runs if run["info"]["provenance"].get("device_type") == "cuda"}
    return lacking


def _kinds(run: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    config = run["config"]
    return ("command", run["command"]), ("method", config["method"]["name"]), ("data", config["data"]["name"])
