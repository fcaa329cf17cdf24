"""The stored runs, read once: which are whole, which are left out and why, and which may stand side by side."""

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from figures import style
from figures.points import Points
from figures.series import Origin, Run, Series, differing, series_of, settings_of, tell_apart
from repro.errors import InputError
from repro.store import Finding, RunSource, examine, source_of

COMMANDS = ("train", "pretrain", "evaluate")

LONGEST = 60
"""Letters of what the folder of a study adds to another's name; longer ones get the study's hash."""

EXAMINED = ("expected", "metrics")
"""Parts of `info` that are most of a run's document, and only say whether it is whole."""

VARIED = "byol_tracin"
"""The method whose settings are varied: the paper's."""

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
        note: in what it differs from a greater one with the same images and scale; empty where there is none.
    """

    key: str
    folder: str
    series: tuple[Series, ...]
    transfers: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]
    note: str = ""

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
        """One series per method, under the method's plain name: what figures of scores show."""
        return tuple(_plain(one) for one in self.series if one.reference)

    @functools.cached_property
    def trainers(self) -> tuple[Series, ...]:
        """One series per method, under the method's plain name: what figures of pretraining show."""
        return tuple(_plain(one) for one in self.series if one.trainer)

    @property
    def all_series(self) -> tuple[Series, ...]:
        """Its series and its transfers."""
        return (*self.series, *self.transfers)

    def reference(self, method: str, origin: Origin | None = None) -> Series | None:
        """Return the series that stands for a method, or for its transfers from an origin; None where none has runs."""
        found = (one for one in (*self.references, *self.transfers) if one.method == method and one.origin == origin)
        return next((one for one in found if one.reference and one.runs), None)

    def trainer(self, method: str) -> Series | None:
        """Return the series that stands for a method's pretraining; None where it has no runs."""
        return next((one for one in self.trainers if one.method == method and one.runs), None)

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
        if {"study", "series"} <= run["info"].keys() and _readable(run):
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
    """Whether a study is but the variant of a greater one: runs of the paper's method with one setting changed.

    What there is to say of it stands in the table of sensitivity, beside that method's other settings.
    """
    drawn = [one for one in study.series if one.runs]
    return {one.method for one in drawn} == {VARIED} and any(
        len({one.method for one in other.series}) > 1
        and same_images(study, other)
        and (base := other.reference(VARIED)) is not None
        and all(len(differing(base, one)) == 1 for one in drawn)
        for other in studies
    )


def same_images(study: Study, other: Study) -> bool:
    """Whether two studies have the same images, labels and division."""
    known = study.data.get("sha256") is not None
    return known and all(study.data.get(key) == other.data.get(key) for key in ("sha256", "splits_sha256"))


def _plain(series: Series) -> Series:
    return dataclasses.replace(series, label=style.look(series.method).label, variant=0)


def _runs(series: Iterable[Series]) -> list[Run]:
    return sorted((run for one in series for run in one.runs), key=lambda run: run["_id"])


def _readable(run: Run) -> bool:
    """Whether a run, whole or not, says enough to have a place in a table."""
    config = run["config"]
    return isinstance(config, dict) and all(isinstance(config.get(k), dict) for k in ("method", "data", "evaluate"))


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
        return Origin(style.DATA.get(name, name), name.startswith("phantom"))
    data = source["config"]["data"]
    label = f"{style.DATA.get(name, name)} ({data['split']} split, {data['size']} px)"
    return Origin(label, bool(data["stands_in_for"]) or name.startswith("phantom"))


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


def _in_order(studies: list[Study]) -> tuple[Study, ...]:
    """Return the studies with folders and notes: real images first, then those with most runs, then the newest.

    Of several with the same images and scale the greatest has the plain name; the others say how they differ from it.
    """
    alike: dict[str, list[Study]] = {}
    for study in studies:
        if study.series and not aside(study, studies):
            alike.setdefault(_folder(study), []).append(study)
    named = {study.key: dataclasses.replace(study, folder=_folder(study)) for study in studies}
    for folder, found in alike.items():
        first, *others = sorted(found, key=lambda study: (-len(study.runs), study.runs[0]["_id"]))
        for study in others:
            note = _note(study, first)
            named[study.key] = dataclasses.replace(study, folder=f"{folder}-{_fit(note, study.key)}", note=note)
    return tuple(sorted(named.values(), key=lambda s: (s.phantom, -len(s.runs), -s.runs[-1]["_id"], s.folder)))


def _shared_settings(study: Study) -> dict[str, str]:
    """Return the settings of a study that do not belong to its methods."""
    own = ("method.", "selector.", "tracin.", "contrastive.", "semixup.", "evaluate.protocols", "command")
    return {name: value for name, value in settings_of(study.runs).items() if not name.startswith(own)}


def _note(study: Study, first: Study) -> str:
    """Return in what a study differs from another with the same images and scale."""
    notes = tell_apart({one.key: _shared_settings(one) for one in (study, first)})
    return notes[study.key] or f"images {str(study.data.get('sha256'))[:8]}"


def _folder(study: Study) -> str:
    data = study.config["data"]
    return _fit(f"{data['name']}-{data['split']}-{data['size']}px-{study.scale}")


def _fit(name: str, instead: str = "") -> str:
    """Return a name fit for a folder; `instead` where it would not tell the name any more, or be a long one."""
    fit = re.sub(r"[^\w.+=-]+|^\.+", "_", name)
    return instead if instead and (fit != name or len(fit) > LONGEST) else fit
