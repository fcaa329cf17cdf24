"""The stored runs, read once: which are whole, which are left out and why, and which may stand side by side."""

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from figures import style
from figures.points import Points
from figures.series import Origin, Run, Series, differing, series_of
from repro.errors import InputError
from repro.store import Finding, RunSource, examine, source_of

COMMANDS = ("train", "pretrain", "evaluate")

EXAMINED = ("expected", "metrics")
"""Parts of `info` that are most of a run's document, and only say whether it is whole."""

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
        transfers: series that judge encoders pretrained on other images; they stand in a table of their own.
        left_out: its runs that are not drawn.
    """

    key: str
    folder: str
    series: tuple[Series, ...]
    transfers: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]

    @functools.cached_property
    def own_runs(self) -> list[Run]:
        """The runs that are drawn, without transfers, by id."""
        return _runs(self.series)

    @functools.cached_property
    def runs(self) -> list[Run]:
        """The runs that are drawn, by id."""
        return _runs((*self.series, *self.transfers))

    @functools.cached_property
    def references(self) -> tuple[Series, ...]:
        """One series per method, under the method's plain name: what figures of methods show."""
        chosen = (one for one in self.series if one.reference)
        return tuple(dataclasses.replace(one, label=style.look(one.method).label, variant=0) for one in chosen)

    @property
    def all_series(self) -> tuple[Series, ...]:
        """Its series and its transfers."""
        return (*self.series, *self.transfers)

    def reference(self, method: str, origin: Origin | None = None) -> Series | None:
        """Return the series that stands for a method, or for its transfers from an origin; None where none has runs."""
        found = (one for one in (*self.references, *self.transfers) if one.method == method and one.origin == origin)
        return next((one for one in found if one.reference and one.runs), None)

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
    """All stored runs: the studies to draw, most complete first, every run left out, and the metric points."""

    studies: tuple[Study, ...]
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
    runs = [run for run in source.runs() if run["command"] in COMMANDS]
    make = "Make some with `make demo`, or with `python -m repro.run with byol_tracin dermamnist smoke`"
    if not runs:
        raise InputError(f"{source.name} holds no runs, so there is nothing to draw. {make}")
    points = Points()
    problems = {found.run["_id"]: _problems(found) for found in examine(source, runs, seen=points.keep)}
    runs = [{**run, "info": {k: v for k, v in run["info"].items() if k not in EXAMINED}} for run in runs]
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
    whole, by_id = set(newest.values()), {run["_id"]: run for run in runs}
    studies = []
    for key, members in by_study.items():
        if any(run["_id"] in whole for run in members):
            own = [run for run in members if not _is_transfer(run)]
            out = tuple(left_out[run["_id"]] for run in members if run["_id"] in left_out)
            studies.append(Study(key, "", series_of(own, whole), _transfers(members, whole, by_id), out))
    return Records(_in_order(studies), tuple(left_out.values()), points)


def aside(study: Study, studies: Iterable[Study]) -> bool:
    """Whether a study is but the variant of a greater one: runs of one method with one setting changed.

    What there is to say of it stands in the table of sensitivity, beside that method's other settings.
    """
    method, *more = {one.method for one in study.series} or {""}
    return not more and any(
        len({one.method for one in other.series}) > 1
        and same_images(study, other)
        and (base := other.reference(method)) is not None
        and all(len(differing(base, one)) == 1 for one in study.series if one.runs)
        for other in studies
    )


def same_images(study: Study, other: Study) -> bool:
    """Whether two studies have the same images, labels and division."""
    return all(study.data.get(key) == other.data.get(key) for key in ("sha256", "splits_sha256"))


def _runs(series: Iterable[Series]) -> list[Run]:
    return sorted((run for one in series for run in one.runs), key=lambda run: run["_id"])


def _is_transfer(run: Run) -> bool:
    return run["info"].get("pretrained_on") not in (None, run["config"].get("data", {}).get("name"))


def _transfers(runs: Iterable[Run], whole: Collection[int], by_id: Mapping[int, Run]) -> tuple[Series, ...]:
    """Return the series of a study's transfers, origin by origin."""
    by_origin: dict[Origin, list[Run]] = {}
    for run in runs:
        if _is_transfer(run):
            by_origin.setdefault(_origin(run, by_id), []).append(run)
    return tuple(one for origin, found in by_origin.items() for one in series_of(found, whole, origin))


def _origin(run: Run, by_id: Mapping[int, Run]) -> Origin:
    """Return which images the encoder of a transfer was pretrained on: split and size too, where its run is there."""
    name = str(run["info"]["pretrained_on"])
    source = by_id.get(run["config"]["evaluate"]["pretraining"])
    if source is None or source["config"]["data"]["name"] != name:
        return Origin(style.DATA.get(name, name), name.startswith("phantom"))
    data = source["config"]["data"]
    label = f"{style.DATA.get(name, name)} ({data['split']} split, {data['size']} px)"
    return Origin(label, bool(data["stands_in_for"]) or name.startswith("phantom"))


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
        dataclasses.replace(s, folder=plain[s.key] + (f"-{s.key}" if taken[plain[s.key]] > 1 else "")) for s in studies
    ]
    return tuple(sorted(named, key=lambda s: (s.phantom, -len(s.runs), -s.runs[-1]["_id"], s.folder)))


def _folder(study: Study) -> str:
    data = study.config["data"]
    return re.sub(r"[^\w.+-]+|^\.+", "_", f"{data['name']}-{data['split']}-{data['size']}px-{study.scale}")
