"""The stored runs, read once: which are whole, which are left out and why, and which may stand side by side."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pymongo.database import Database

from figures.series import Run, Series, series_of
from repro.errors import InputError
from repro.store import Finding, RunSource, examine, metric_points, source_of

COMMANDS = ("train", "pretrain", "evaluate")

UNTRAINED = ("none", "imagenet", "supervised", "semixup")
"""Objectives without pretraining of ours, so that an evaluation of them names no stored encoder."""


@dataclass(frozen=True)
class LeftOut:
    """A run that is not drawn.

    Args:
        run: its id.
        what: method, data set and seed.
        problems: why, one phrase each.
        replaced_by: id of a whole run of the same series and seed, which is drawn instead.
    """

    run: int
    what: str
    problems: tuple[str, ...]
    replaced_by: int | None

    def __str__(self) -> str:
        instead = f" (run {self.replaced_by} repeats it, is whole, and drawn)" if self.replaced_by else ""
        return f"run {self.run}, {self.what}: {'; '.join(self.problems)}{instead}"


@dataclass(frozen=True)
class Study:
    """Runs that differ in seed and method only, and so may be compared.

    Args:
        key: `info.study` of the runs.
        folder: name of its folder below the results.
        series: its series; also those whose every run is left out, so that the hole is seen.
        left_out: its runs that are not drawn.
    """

    key: str
    folder: str
    series: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def runs(self) -> list[Run]:
        """The runs that are drawn, by id."""
        return sorted((run for series in self.series for run in series.runs), key=lambda run: run["_id"])

    @property
    def config(self) -> dict[str, Any]:
        """Config of the newest run; outside seed and method all agree."""
        return self.runs[-1]["config"]

    @property
    def data(self) -> dict[str, Any]:
        """What the newest run recorded about its images."""
        return self.runs[-1]["info"]["data"]

    @property
    def scale(self) -> str:
        """Name of the scale; names joined by + where runs of one study give several."""
        return "+".join(sorted({str(run["config"]["scale"]) for run in self.runs}))

    @property
    def phantom(self) -> bool:
        """Whether the images are procedural."""
        return bool(self.data.get("stands_in_for")) or str(self.config["data"]["name"]).startswith("phantom")


@dataclass(frozen=True)
class Records:
    """All stored runs: the studies to draw, most complete first, and every run left out."""

    studies: tuple[Study, ...]
    left_out: tuple[LeftOut, ...]


def read(stored: Database | RunSource) -> Records:
    """Return the stored runs, each checked once for being whole.

    Args:
        stored: a run database, or another source of runs, such as an archive.

    Raises:
        InputError: there is no run, or no whole one.
    """
    source = source_of(stored)
    runs = [run for run in source.runs() if run["command"] in COMMANDS]
    make = "Make some with `make demo`, or with `python -m repro.run with byol_tracin dermamnist smoke`"
    if not runs:
        raise InputError(f"{source.name} holds no runs, so there is nothing to draw. {make}")
    problems = {found.run["_id"]: _problems(found) for found in examine(source, runs)}
    newest = {_place(run): run["_id"] for run in runs if not problems[run["_id"]]}  # ids ascend
    left_out = {
        run["_id"]: LeftOut(run["_id"], _what(run), tuple(why), newest.get(_place(run)))
        for run in runs
        if (why := problems[run["_id"]])
    }
    if not newest:
        first = next(iter(left_out.values()))
        raise InputError(f"none of the {len(runs)} stored runs is whole; the first: {first}. {make}")
    by_study: dict[str, list[Run]] = {}
    for run in runs:
        if {"study", "series"} <= run["info"].keys():
            by_study.setdefault(run["info"]["study"], []).append(run)
    whole = set(newest.values())
    studies = [
        Study(key, "", series_of(members, whole), tuple(left_out[r["_id"]] for r in members if r["_id"] in left_out))
        for key, members in by_study.items()
        if any(run["_id"] in whole for run in members)
    ]
    return Records(_in_order(studies), tuple(left_out.values()))


def points_of(stored: Database | RunSource, study: Study) -> pd.DataFrame:
    """Return every metric point of a study's drawn runs.

    Args:
        stored: where the study was read from.
        study: which one.

    Returns:
        Columns run_id, series, seed, name, step, value; ordered by run, name and position. Where a run stored a
        step of a metric twice, the later one.
    """
    runs = {run["_id"]: (series.key, run["config"]["seed"]) for series in study.series for run in series.runs}
    points = metric_points(stored, runs).drop_duplicates(["run_id", "name", "step"], keep="last")
    points.insert(1, "series", [runs[run_id][0] for run_id in points["run_id"]])
    points.insert(2, "seed", [runs[run_id][1] for run_id in points["run_id"]])
    return points.reset_index(drop=True)


def _place(run: Run) -> tuple[str | None, int | None]:
    """Return what one run fills: its series and seed. Cells tell more apart, such as which run an encoder is from."""
    return run["info"].get("series"), run["config"].get("seed")


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
    config = run["config"]
    name, data = config.get("method", {}).get("name", "?"), config.get("data", {}).get("name", "?")
    return f"{run['command']} {name} {data} seed {config.get('seed', '?')}"


def _in_order(studies: list[Study]) -> tuple[Study, ...]:
    """Return the studies with their folders named: real images first, then those with most runs, then the newest."""
    plain = {study.key: _folder(study) for study in studies}
    taken = Counter(plain.values())
    named = [
        Study(s.key, plain[s.key] + (f"-{s.key}" if taken[plain[s.key]] > 1 else ""), s.series, s.left_out)
        for s in studies
    ]
    return tuple(sorted(named, key=lambda s: (s.phantom, -len(s.runs), -s.runs[-1]["_id"], s.folder)))


def _folder(study: Study) -> str:
    data = study.config["data"]
    return re.sub(r"[^\w.+-]+|^\.+", "_", f"{data['name']}-{data['split']}-{data['size']}px-{study.scale}")
