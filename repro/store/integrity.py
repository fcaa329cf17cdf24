"""Is a stored run whole? What was hashed while it ran is held against what is stored."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from repro.store.digests import SeriesDigest, fact_sha256, series_digest
from repro.store.optional import kind_of
from repro.store.source import RUNS_AT_ONCE, Content, Run, RunSource, Series, source_of

NOTHING = SeriesDigest().expectation
"""A metric without points."""


@dataclass(frozen=True)
class Finding:
    """What became of one stored run.

    Args:
        run: its document.
        problems: what is wrong with it, one phrase each; empty where it is whole.
        left_out: names of artifacts that were left out when it was archived. That is no problem.
    """

    run: Run
    problems: list[str]
    left_out: list[str]


def problems_of(runs: Database | RunSource, run: Run) -> list[str]:
    """Return what is wrong with a stored run, one phrase each; an empty list means it is whole.

    Args:
        runs: a run database, or another source of runs.
        run: the run's document.
    """
    return next(examine(runs, [run])).problems


def examine(
    runs: Database | RunSource, documents: Iterable[Run], seen: Callable[[int, list[Series]], None] | None = None
) -> Iterator[Finding]:
    """Yield what became of each run, in the order given; the questions for many runs are asked together.

    Args:
        runs: a run database, or another source of runs.
        documents: the runs' documents.
        seen: called with the id and the metrics of every run whose metrics are read.
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
        contents = source.contents(item["file_id"] for run in judged.values() for item in run["artifacts"])
        for run in batch:
            if run.get("status") != "COMPLETED":
                yield Finding(run, [f"status is {run.get('status', 'not on record')}"], [])
            elif not _expects(run):
                yield Finding(run, ["it says not what it should hold"], [])
            else:
                artifact_problems, left_out = _artifact_problems(run, contents)
                problems = [*_fact_problems(run), *metric_problems[run["_id"]], *artifact_problems]
                yield Finding(run, problems, left_out)


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
        return ["it says not which config and facts it had"]
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
        return ["it says only how many points its metrics have, not which"]
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
