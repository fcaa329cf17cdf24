"""Integrity check: checksums made during the run are compared with what is stored."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from repro.store.digests import SeriesDigest, fact_sha256, series_digest, stored_sha256
from repro.store.documents import mentions
from repro.store.optional import kind_of
from repro.store.source import LEFT_OUT, RUNS_AT_ONCE, Content, Run, RunSource, Series, source_of

NOTHING = SeriesDigest().expectation
"""A metric without points."""

RECORDED = ("command", "result", "start_time", "stop_time", "host", "meta", "captured_out", "experiment", "format")
"""Fields of a run's document that its observer hashes when the run ends, beside those that the run itself hashes."""

SOURCES = "sources"
"""Under this name the names and contents of all stored sources are hashed."""


@dataclass(frozen=True)
class Finding:
    """What became of one stored run.

    Args:
        run: its document.
        problems: what is wrong with it, one phrase each; empty where it is whole.
        left_out: names of artifacts that were left out when it was archived. That is no problem.
        older: whether it was stored before `RECORDED` were hashed: of these it cannot be told whether they are altered.
    """

    run: Run
    problems: list[str]
    left_out: list[str]
    older: bool = False


def problems_of(runs: Database | RunSource, run: Run) -> list[str]:
    """Return what is wrong with a stored run, one phrase each; an empty list means it is whole.

    Args:
        runs: a run database, or another source of runs.
        run: the run's document.
    """
    return next(examine(runs, [run])).problems


def examine(
    runs: Database | RunSource,
    documents: Iterable[Run],
    seen: Callable[[int, list[Series]], None] | None = None,
    details: bool = False,
) -> Iterator[Finding]:
    """Yield what became of each run, in the order given; the questions for many runs are asked together.

    Args:
        runs: a run database, or another source of runs.
        documents: the runs' documents.
        seen: called with the id and the metrics of every run whose metrics are read.
        details: whether to check the fields LEFT_OUT and the stored sources, too, which no figure reads. They are read
            anew.
    """
    source, waiting = source_of(runs), list(documents)
    for start in range(0, len(waiting), RUNS_AT_ONCE):
        batch = waiting[start : start + RUNS_AT_ONCE]
        judged = {run["_id"]: run for run in batch if run.get("status") == "COMPLETED" and _expects(run)}
        metric_problems = {}
        for run_id, members in source.series(judged):
            metric_problems[run_id] = _metric_problems(members, judged[run_id]["info"]["expected"]["metrics"])
            if seen is not None:
                seen(run_id, members)
        rest = dict(source.details(judged)) if details else {}
        recorded = {
            i: {**{k: v for k, v in run.items() if k not in LEFT_OUT}, **rest.get(i, {})} for i, run in judged.items()
        }
        files = [file_id for run in recorded.values() for kind, _, file_id in mentions(run) if kind != "resources"]
        contents = source.contents(files)
        for run in batch:
            if run.get("status") != "COMPLETED":
                yield Finding(run, [f"status is {run.get('status', 'not on record')}"], [])
            elif not _expects(run):
                yield Finding(run, ["it does not say what it should hold"], [])
            else:
                artifact_problems, left_out = _artifact_problems(run, contents)
                record_problems = _record_problems(recorded[run["_id"]], contents)
                problems = [*_fact_problems(run), *record_problems, *metric_problems[run["_id"]], *artifact_problems]
                yield Finding(run, problems, left_out, older="record" not in run["info"]["expected"])


def record_sha256(run: Run, sources: Mapping[str, str | None]) -> dict[str, str]:
    """Return the hashes of the fields `RECORDED` that a run's document has, and of its sources.

    Args:
        run: the document, or what of it is at hand.
        sources: SHA-256 by name; empty where they are not at hand.
    """
    hashes = {key: stored_sha256(run[key]) for key in RECORDED if key in run and key != "experiment"}
    if "experiment" in run:
        about = {key: value for key, value in run["experiment"].items() if key != "sources"}
        hashes |= {"experiment": stored_sha256(about), SOURCES: stored_sha256(sorted(sources.items()))}
    return hashes


def _record_problems(run: Run, contents: Mapping[Any, Content]) -> list[str]:
    """Hold what the observer hashed against what is stored; what nobody asked the source for is not judged."""
    expected = run["info"]["expected"].get("record", {})
    named = {name: contents.get(file_id, Content(None)) for kind, name, file_id in mentions(run) if kind == "sources"}
    found = record_sha256(run, {name: content.sha256 for name, content in named.items()})
    problems = []
    for name in sorted(expected):
        title = "a stored source" if name == SOURCES else name
        if name in found and found[name] != expected[name]:
            problems.append(f"{title} is altered")
        elif name not in found and name not in (*LEFT_OUT, SOURCES):
            problems.append(f"{title} is missing")
    return problems


def _expects(run: Run) -> bool:
    info, parts = run.get("info"), (run.get("config"), run.get("artifacts"))
    expected = info.get("expected") if isinstance(info, dict) else None
    if not isinstance(expected, dict) or (type(parts[0]), type(parts[1])) != (dict, list):
        return False
    return all(isinstance(expected.get(k), dict) for k in ("metrics", "artifacts"))


def _fact_problems(run: Run) -> list[str]:
    """Hold the config and the facts of `info`, from which captions and legends are made, against their hashes."""
    expected = run["info"]["expected"].get("facts")
    if not isinstance(expected, dict) or "config" not in expected:
        return ["it does not say which config and facts it had"]
    problems = []
    for name in sorted(expected):
        held, title = (run, name) if name == "config" else (run["info"], f"info.{name}")
        if name not in held:
            problems.append(f"{title} is missing")
        elif fact_sha256(held[name]) != expected[name]:
            problems.append(f"{title} is altered")
    return problems


def _metric_problems(stored: Sequence[Series], expected: dict[str, Any]) -> list[str]:
    if any(not isinstance(expectation, dict) for expectation in expected.values()):
        return ["it has only the number of metric points, no checksum of them"]
    problems = []
    columns: dict[str, tuple[list[Any], list[Any]]] = {}
    uneven = set()
    for series in stored:
        name, lists = str(series.get("name")), [series.get(key) for key in ("steps", "values", "timestamps")]
        if not all(isinstance(column, list) for column in lists) or len({len(column or []) for column in lists}) != 1:
            uneven.add(name)
            continue
        steps, values = columns.setdefault(name, ([], []))
        steps += series["steps"]
        values += series["values"]
    for name in sorted(expected.keys() | columns.keys() | uneven):
        want = expected.get(name, NOTHING)
        try:
            have = series_digest(*columns.get(name, ([], []))).expectation
        except TypeError as error:
            problems.append(f"metric {name} is altered: {error}")
            continue
        if name in uneven:
            problems.append(f"metric {name} has steps, values and timestamps of different lengths")
        elif have["points"] != want.get("points"):
            problems.append(f"metric {name} has {have['points']} of {want.get('points')} points")
        elif have != want:
            problems.append(f"metric {name} is altered: its points are not those that were recorded")
    return problems


def _artifact_problems(run: Run, contents: dict[Any, Content]) -> tuple[list[str], list[str]]:
    """Return what is wrong with the artifacts of a run, and which of them were left out of an archive."""
    expected = run["info"]["expected"]["artifacts"]
    stored = {artifact["name"]: artifact["file_id"] for artifact in run["artifacts"]}
    problems, left_out = [], []
    for name in sorted(expected.keys() | stored.keys()):
        content = contents.get(stored.get(name), Content(None))
        if name not in stored:
            problems.append(f"artifact {name} is missing")
        elif name not in expected:
            problems.append(f"artifact {name} was not made by the run")
        elif content.sha256 is None or (content.left_out and kind_of(name) is None):
            problems.append(f"artifact {name} cannot be read")
        elif content.sha256 != expected[name]:
            problems.append(f"artifact {name} is altered")
        elif content.left_out:
            left_out.append(name)
    return problems, left_out
