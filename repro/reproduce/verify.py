"""Is what is stored what the code computes? Stored runs are executed again, and every number is compared."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pymongo.database import Database

from repro.errors import InputError, StorageError
from repro.reproduce.again import added_settings, earlier_runs, executed_again
from repro.reproduce.compare import (
    Difference,
    LeftOut,
    Series,
    changes,
    compare_artifact,
    compare_fact,
    compare_series,
    recorded_once,
)
from repro.store import find_runs, metric_points, problems_of, read_artifact, source_of
from repro.store.optional import OPTIONAL

log = logging.getLogger("repro.reproduce")

IDENTICAL, WITHIN, DIFFERENT, CANNOT = "identical", "within tolerance", "DIFFERENT", "cannot be verified"

COMMANDS = ("train", "pretrain", "evaluate")

NAMED_AT_MOST = 10
"""Source files that are named."""


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


def verify(database: Database, run_ids: Sequence[int]) -> list[Verdict]:
    """Execute stored runs again, one after the other, and compare every number with the stored one.

    Only what a clock or the machine's memory says (`info.timings`) is left out.

    Args:
        database: the run database; nothing is written to it.
        run_ids: finished and whole runs.

    Raises:
        InputError: one of them is not there, not finished or not whole. Nothing is executed then.
    """
    runs = [_whole_run(database, run_id) for run_id in dict.fromkeys(run_ids)]
    verdicts = []
    for number, run in enumerate(runs, start=1):
        took = sum(run["info"]["timings"].get(key, 0.0) for key in ("pretrain_s", "evaluate_s"))
        log.info(
            "run %d (%d of %d), %s: executing it again; then, it took %.0f s",
            run["_id"], number, len(runs), _title(run), took,
        )  # fmt: skip
        verdicts.append(_verdict(database, run))
        log.info("run %d: %s", run["_id"], verdicts[-1].verdict)
    return verdicts


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
    ours = [run for run in find_runs(database, status="COMPLETED") if _ours(run)]
    lacking = {run["_id"]: _lacking(database, run) for run in ours}
    for what, number in Counter(filter(None, lacking.values())).items():
        log.info("not drawn because they need %s: %d of %d runs", what, number, len(ours))
    runs = [run for run in ours if not lacking[run["_id"]]]
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


def _verdict(database: Database, run: dict[str, Any]) -> Verdict:
    began = time.monotonic()
    try:
        with executed_again(database, run) as (store, new):
            differences = differences_between(database, run, store, new)
            before, after = run["info"]["provenance"], new["info"]["provenance"]
            sources = _sources(database, run), _sources(store, new)
    except (InputError, StorageError) as error:
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


def surroundings(
    config: dict[str, Any],
    then: dict[str, Any],
    now: dict[str, Any],
    sources: dict[str, str],
    own: dict[str, str],
) -> tuple[list[str], list[str], bool]:
    """Return what differs in code and environment, one line each, and whether that may change bits.

    Args:
        config: of the stored run.
        then, now: provenances of both runs.
        sources, own: source file -> SHA-256, as both runs stored them.
    """
    code, other_code = _code(then, now, sources, own)
    added = added_settings(config)
    if added:
        code.append("settings that did not exist then, now at: " + ", ".join(f"{k}={v}" for k, v in added.items()))
    changed, once = changes(then, now), recorded_once(then, now)
    environment = [str(change) for change in changed]
    if once:
        environment.append(f"not recorded both then and now: {', '.join(once)}")
    loose = not config["deterministic"] and "cuda" in (then.get("device_type"), now.get("device_type"))
    if loose:
        environment.append(
            "a GPU with deterministic=False repeats no bits: more than within tolerance is not to be had"
        )
    return code, environment, other_code or loose or any(change.computes for change in changed)


def _code(
    then: dict[str, Any], now: dict[str, Any], sources: dict[str, str], own: dict[str, str]
) -> tuple[list[str], bool]:
    """Return what differs in the code, and whether any source file does."""
    commits = [
        (each.get("commit") or "unknown")[:10] + (" with changes" if each.get("dirty") else "") for each in (then, now)
    ]
    lines = [f"commit {commits[0]} then, {commits[1]} now"] if commits[0] != commits[1] else []
    if not sources or not own:
        return lines, bool(lines)
    other = sorted(file for file in sources.keys() | own.keys() if sources.get(file) != own.get(file))
    if other:
        more = f" and {len(other) - NAMED_AT_MOST} more" if len(other) > NAMED_AT_MOST else ""
        lines.append(f"source files that differ: {', '.join(other[:NAMED_AT_MOST])}{more}")
    elif lines:
        lines = [f"{lines[0]}, but every source file is the same"]
    return lines, bool(other)


def _facts(run: dict[str, Any]) -> dict[str, Any]:
    """Return the hashes and results of a run, by name."""
    info = run["info"]
    facts = {"data": info["data"]["sha256"]}
    facts |= {f"split {name}": sha256 for name, sha256 in info["data"]["splits_sha256"].items()}
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
    if not _ours(run):
        raise InputError(f"run {run_id} is of another experiment")
    return run


def _ours(run: dict[str, Any]) -> bool:
    return run["command"] in COMMANDS and {"provenance", "data", "timings"} <= run.get("info", {}).keys()


def _lacking(database: Database, run: dict[str, Any]) -> str:
    """Return what a run needs to be executed that is not to be had here; nothing where all is."""
    if run["info"]["provenance"].get("device_type") == "cuda" and not torch.cuda.is_available():
        return "a GPU"
    for origin in find_runs(database, _id={"$in": earlier_runs(run["config"])}):
        networks = [each for each in origin["artifacts"] if each["name"].endswith(OPTIONAL["weights"].ending)]
        held = source_of(database).contents([each["file_id"] for each in networks])
        if any(content.left_out for content in held.values()):
            return "networks of earlier runs, which an archive left out"
    return ""


def _kinds(run: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    config = run["config"]
    return ("command", run["command"]), ("method", config["method"]["name"]), ("data", config["data"]["name"])


def _title(run: dict[str, Any]) -> str:
    config = run["config"]
    return f"{run['command']} {config['method']['name']} {config['data']['name']} seed {config['seed']}"
