"""Verification: stored runs are executed again, and every number is compared."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from repro.errors import InputError, StorageError
from repro.reproduce.engines.job_count import Jobs
from repro.reproduce.engines.pool import Here, Pool
from repro.reproduce.engines.progress_board import Board
from repro.reproduce.engines.waiting import SECONDS_BETWEEN_LOOKS
from repro.reproduce.verification.comparison import (
    Difference,
    LeftOut,
    Series,
    compare_artifact,
    compare_fact,
    compare_series,
)
from repro.reproduce.verification.environment import surroundings
from repro.reproduce.verification.reexecution import executed_again
from repro.store import find_runs, metric_points, open_database, problems_of, read_artifact, source_of

log = logging.getLogger("repro.reproduce")

IDENTICAL, WITHIN, DIFFERENT, CANNOT = "identical", "within tolerance", "DIFFERENT", "cannot be verified"

COMMANDS = ("train", "pretrain", "evaluate")


@dataclass(frozen=True)
class Verdict:
    """What became of one run.

    Args:
        run, title: which.
        verdict: "identical": every metric, score, weight and hash is the same, bit for bit. "within tolerance": not
            that, but something on which bits depend is another (processor, threads, versions, code, or a GPU with
            deterministic=False), and every metric is within its tolerance. "DIFFERENT": anything else.
            "cannot be verified": it could not be executed here.
        reason: why it cannot be verified.
        code, environment: what is not as it was, one line each.
        excused: whether any of that may change bits.
        differences: in the order in which a run makes its numbers.
        points, artifacts: how many metric points and files the stored run has; all were compared.
        seconds: how long it took.
    """

    run: int
    title: str
    verdict: str
    reason: str = ""
    code: list[str] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    excused: bool = False
    differences: list[Difference] = field(default_factory=list)
    points: int = 0
    artifacts: int = 0
    seconds: float = 0.0


def verify(database: Database, run_ids: Sequence[int], jobs: Jobs = 1) -> list[Verdict]:
    """Execute stored runs again, and compare every number with the stored one.

    Only what a clock or the machine's memory says (`info.timings`) is left out.

    Args:
        database: the run database; nothing is written to it.
        run_ids: finished and whole runs.
        jobs: how many at once, or what tells it; 1: one after the other.

    Raises:
        InputError: one of them is not there, not finished or not whole. Nothing is executed then.
    """
    runs = {str(run_id): _whole_run(database, run_id) for run_id in dict.fromkeys(run_ids)}
    left, found = list(runs), {}
    board = Board("verified", len(runs), "run", shown=jobs != 1)
    with Here() if jobs == 1 else Pool(jobs, board) as workers:
        while left or workers.running:
            while left and workers.room():
                run = runs[key := left.pop(0)]
                took = sum(run["info"]["timings"].get(name, 0.0) for name in ("pretrain_s", "evaluate_s"))
                log.info(
                    "run %s (%d of %d), %s: repeating it; the first time it took %.0f s",
                    key, len(runs) - len(left), len(runs), _title(run), took,
                )  # fmt: skip
                if jobs == 1:
                    workers.start(key, f"run {key}", _verdict, database, run)
                else:
                    workers.start(key, f"run {key}", _verdict_apart, run["_id"])
            for end in workers.ended(SECONDS_BETWEEN_LOOKS):
                run = runs[end.key]
                lost = Verdict(run["_id"], _title(run), CANNOT, f"its process ended with {end.death}")
                found[end.key] = lost if end.death else end.outcome
                board.settle(worked=True)
                log.info("run %s: %s", end.key, found[end.key].verdict)
    return [found[key] for key in runs]


def failed(verdicts: Sequence[Verdict]) -> bool:
    """Return whether any run is different, or could not be verified."""
    return any(verdict.verdict in (DIFFERENT, CANNOT) for verdict in verdicts)


def differences_between(
    database: Database, run: dict[str, Any], other_database: Database, other: dict[str, Any]
) -> list[Difference]:
    """Return all in which two stored runs differ, timings aside, in the order in which a run makes its numbers.

    Args:
        database, run: where the one is, and its document.
        other_database, other: the same of the other.
    """
    facts, other_facts = _facts(run), _facts(other)
    found = [
        compare_fact(name, facts.get(name, "missing"), other_facts.get(name, "missing"))
        for name in dict.fromkeys([*facts, *other_facts])
    ]
    series, other_series = _series(database, run), _series(other_database, other)
    for name in dict.fromkeys([*series, *other_series]):
        found.append(compare_series(name, series.get(name, ()), other_series.get(name, ())))
    names, other_names = ({artifact["name"] for artifact in each["artifacts"]} for each in (run, other))
    for name in sorted(names | other_names):
        found += compare_artifact(
            name,
            _content(database, run, name) if name in names else None,
            _content(other_database, other, name) if name in other_names else None,
        )
    return [difference for difference in found if difference is not None]


def judge(differences: Sequence[Difference], excused: bool) -> str:
    """Return the verdict; `excused` where something on which bits depend is another."""
    if not differences:
        return IDENTICAL
    return WITHIN if excused and all(difference.near is not False for difference in differences) else DIFFERENT


def _verdict_apart(run_id: int) -> Verdict:
    """Execute a run again, from a process of its own."""
    try:
        with open_database(writes=False) as database:
            return _verdict(database, _whole_run(database, run_id))
    except (InputError, StorageError) as error:
        return Verdict(run_id, f"run {run_id}", CANNOT, str(error))


def _verdict(database: Database, run: dict[str, Any]) -> Verdict:
    began = time.monotonic()
    try:
        with executed_again(database, run) as (store, new):
            differences = differences_between(database, run, store, new)
            before, after = run["info"]["provenance"], new["info"]["provenance"]
            sources = _sources(database, run), _sources(store, new)
    except (InputError, StorageError, OSError, PyMongoError) as error:
        return Verdict(run["_id"], _title(run), CANNOT, str(error), seconds=time.monotonic() - began)
    code, environment, excused = surroundings(run["config"], before, after, *sources)
    return Verdict(
        run["_id"],
        _title(run),
        judge(differences, excused),
        code=code,
        environment=environment,
        excused=excused,
        differences=differences,
        points=sum(metric["points"] for metric in run["info"]["expected"]["metrics"].values())
        + len(run.get("result") or {}),
        artifacts=len(run["artifacts"]),
        seconds=time.monotonic() - began,
    )


def _facts(run: dict[str, Any]) -> dict[str, Any]:
    """Return the hashes and results of a run, by name."""
    info = run["info"]
    facts = {"data": info["data"].get("sha256")}
    facts |= {f"split {name}": sha256 for name, sha256 in info["data"].get("splits_sha256", {}).items()}
    for subset in info.get("label_subsets", ()):
        facts[f"label subset {100 * subset['fraction']:g} %"] = subset["sha256"]
    return facts


def _series(database: Database, run: dict[str, Any]) -> dict[str, Series]:
    """Return the points of every metric, in the order in which the run made them; of its result too."""
    points = metric_points(database, [run["_id"]])
    found: dict[str, Series] = {
        str(name): list(zip(rows["step"], rows["value"], strict=True)) for name, rows in points.groupby("name")
    }
    order = [metric["name"] for metric in run["info"].get("metrics", ())]
    made = {name: found[name] for name in order if name in found}
    result = {f"result {name}": [(0, value)] for name, value in (run.get("result") or {}).items()}
    return {**made, **found, **result}


def _content(database: Database, run: dict[str, Any], name: str) -> bytes | LeftOut:
    """Return an artifact; of one that was left out of the archive which the run came in, what is known of it."""
    (file_id,) = (artifact["file_id"] for artifact in run["artifacts"] if artifact["name"] == name)
    held = source_of(database).contents([file_id]).get(file_id)
    if held is not None and held.left_out and held.sha256 is not None:
        return LeftOut(held.sha256)
    return read_artifact(database, run, name)


def _sources(database: Database, run: dict[str, Any]) -> dict[str, str]:
    """Return file -> SHA-256 of the sources that a run stored; without those whose hash is not known."""
    document = database.runs.find_one({"_id": run["_id"]}, {"experiment.sources": 1}) or {}
    names = {file_id: name for name, file_id in document.get("experiment", {}).get("sources", ())}
    files = database.fs.files.find({"_id": {"$in": list(names)}}, {"metadata.sha256": 1})
    return {names[file["_id"]]: file["metadata"]["sha256"] for file in files}


def _whole_run(database: Database, run_id: int) -> dict[str, Any]:
    run = next(iter(find_runs(database, _id=run_id)), None)
    if run is None:
        raise InputError(f"no run {run_id} in the run database; `python -m repro.db check` lists them")
    problems = problems_of(database, run)
    if problems:
        raise InputError(f"run {run_id} cannot be verified, it is not whole: {'; '.join(problems)}")
    if not executable(run):
        raise InputError(f"run {run_id} is of another experiment")
    return run


def executable(run: dict[str, Any]) -> bool:
    """Return whether a finished run is of the experiment, and tells enough to be executed again."""
    return run["command"] in COMMANDS and {"provenance", "data", "timings"} <= (run.get("info") or {}).keys()


def _title(run: dict[str, Any]) -> str:
    config = run["config"]
    return f"{run['command']} {config['method']['name']} {config['data']['name']} seed {config['seed']}"
