"""The stored runs, read once: which are whole, which are left out and why, and which may stand side by side."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from pymongo.database import Database

from figures import style
from figures.evidence import titles
from figures.evidence.metric_points import Points
from figures.evidence.ordering import in_order
from figures.evidence.series import Origin, Run, Series, series_of
from figures.evidence.study import LeftOut, Study
from repro.errors import InputError
from repro.store import Finding, RunSource, examine, source_of

COMMANDS = ("train", "pretrain", "evaluate")

EXAMINED = ("expected", "metrics")
"""Parts of `info` that are most of a run's document, and only say whether it is whole."""

UNTRAINED = ("none", "imagenet", "supervised", "semixup", "fixmatch")
"""Objectives without pretraining of ours, so that an evaluation of them names no stored encoder."""


@dataclass(frozen=True)
class Records:
    """All stored runs: the studies to draw, most complete first, every run left out, and the metric points.

    `trials` are runs that choose recipes; they stand in the table of tuning alone.
    """

    studies: tuple[Study, ...]
    trials: tuple[Study, ...]
    left_out: tuple[LeftOut, ...]
    points: Points


def read(stored: Database | RunSource) -> Records:
    """Return the stored runs, each checked once for being whole.

    Args:
        stored: a run database, or another source of runs, such as an archive.

    Raises:
        InputError: there is no run, or no whole one.
    """
    source = source_of(stored)
    runs = [{**run, "config": run.get("config") or {}} for run in source.runs() if run.get("command") in COMMANDS]
    make = "Make some with `make demo`, or with `python -m repro.run with byol_tracin dermamnist smoke`"
    if not runs:
        raise InputError(f"{source.name} holds no runs, so there is nothing to draw. {make}")
    points = Points()
    problems = {found.run["_id"]: _problems(found) for found in examine(source, runs, seen=points.keep)}
    runs = [{**run, "info": {k: v for k, v in (run.get("info") or {}).items() if k not in EXAMINED}} for run in runs]
    newest = {_place(run): run["_id"] for run in runs if not problems[run["_id"]]}  # ids ascend
    left_out = {
        run["_id"]: LeftOut(run["_id"], _what(run), tuple(why), newest.get(_place(run)))
        for run in runs
        if (why := problems[run["_id"]])
    }
    if not newest:
        first = next(iter(left_out.values()))
        raise InputError(f"none of the {len(runs)} stored runs is whole; the first: {first}. {make}")
    runs = _with_newest_titles(runs)
    by_study: dict[str, list[Run]] = {}
    for run in runs:
        if {"study", "series"} <= run["info"].keys() and _readable(run):
            by_study.setdefault(run["info"]["study"], []).append(run)
    whole, by_id = set(newest.values()), {run["_id"]: run for run in runs}
    studies = []
    for key, members in by_study.items():
        if any(run["_id"] in whole for run in members):
            own = [run for run in members if not _is_transfer(run)]
            out = tuple(left_out[run["_id"]] for run in members if run["_id"] in left_out)
            studies.append(Study(key, "", series_of(own, whole), _transfers(members, whole, by_id), out))
    trials = tuple(study for study in studies if study.trial)
    return Records(in_order([study for study in studies if not study.trial]), trials, tuple(left_out.values()), points)


def _readable(run: Run) -> bool:
    """Whether a run, whole or not, says enough to have a place in a table."""
    config = run["config"]
    return isinstance(config, dict) and all(isinstance(config.get(k), dict) for k in ("method", "data", "evaluate"))


def _with_newest_titles(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, each with the newest title that a run of its study gives its images."""
    titles = {run["info"].get("study"): name for run in runs if _readable(run) and (name := _title(run))}
    found = []
    for run in runs:
        newest = titles.get(run["info"].get("study"))
        if newest and _readable(run) and _title(run) != newest:
            data = {**run["config"]["data"], "title": newest}
            run = {**run, "config": {**run["config"], "data": data}}  # the record itself stays as it is
        found.append(run)
    return found


def _title(run: Run) -> str | None:
    return run["config"]["data"].get("title")


def _is_transfer(run: Run) -> bool:
    return run["info"].get("pretrained_on") not in (None, run["config"].get("data", {}).get("name"))


def _transfers(runs: Iterable[Run], whole: Set[int], by_id: Mapping[int, Run]) -> tuple[Series, ...]:
    """Return the series of a study's transfers, origin by origin."""
    by_key: dict[str, list[Run]] = {}
    for run in runs:
        if _is_transfer(run):
            by_key.setdefault(run["info"]["series"], []).append(run)
    by_origin: dict[Origin, list[Run]] = {}
    for found in by_key.values():  # the encoders of a series are from the same images; some of their runs may be gone
        origin = max((_origin(run, by_id) for run in found), key=lambda origin: len(origin.label))
        by_origin.setdefault(origin, []).extend(found)
    return tuple(one for origin, found in by_origin.items() for one in _told_apart(series_of(found, whole, origin)))


def _told_apart(series: Sequence[Series]) -> Iterator[Series]:
    """Number series that have one name: their encoders differ in how they were pretrained."""
    several = Counter(one.label for one in series)
    seen: Counter[str] = Counter()
    for one in series:
        seen[one.label] += 1
        number = f" ({seen[one.label]})" if several[one.label] > 1 else ""
        yield dataclasses.replace(one, label=one.label + number)


def _origin(run: Run, by_id: Mapping[int, Run]) -> Origin:
    """Return which images the encoder of a transfer was pretrained on: split and size too, where its run is there."""
    name = str(run["info"]["pretrained_on"])
    source = by_id.get(run["config"]["evaluate"]["pretraining"])
    if source is None or source["config"]["data"]["name"] != name:
        printed = style.DATA.get(name, name)
        return Origin(printed, printed, name.startswith("phantom"))
    data = source["config"]["data"]
    printed = titles.data_name(data)
    label = f"{printed} ({data['split']} split, {data['size']} px)"
    return Origin(label, printed, bool(data["stands_in_for"]) or name.startswith("phantom"))


def _place(run: Run) -> tuple[str | None, int | None]:
    """Return what one run fills: its series and seed. Cells tell more apart, such as which run an encoder is from."""
    return run["info"].get("series"), (run["config"] or {}).get("seed")


def _problems(found: Finding) -> list[str]:
    run = found.run
    if found.problems:
        return found.problems
    if not {"cell", "series", "study", "data"} <= run["info"].keys():
        return ["it does not say which cell, series and study it belongs to, or on which data"]
    method, pretraining = run["config"]["method"], run["config"]["evaluate"]["pretraining"]
    if run["command"] == "evaluate" and method["objective"] not in UNTRAINED and pretraining is None:
        return [f"it tested a random encoder under the name {method['name']}; set evaluate.pretraining"]
    return []


def _what(run: Run) -> str:
    config = run["config"] or {}
    name, data = config.get("method", {}).get("name", "?"), config.get("data", {}).get("name", "?")
    return f"{run['command']} {name} {data} seed {config.get('seed', '?')}"
