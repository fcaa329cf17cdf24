"""The runs of one study as series: runs that differ in nothing but the seed, and what to call them."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from figures import style

UNTOLD = (
    "seed", "scale", "device", "data.title", "data.residency", "method.name", "pretrain.checkpoint_every",
    "pretrain.keep_every", "evaluate.pretraining", "tracin.pretraining",
)  # fmt: skip
"""Settings that never tell two series apart: the seed, the name itself, ids of runs, and what does not change the
result. Runs that differ in these alone are one series."""

FAINT = ("selector.measured", "command")
"""Settings that are told only where the others do not tell all series apart."""

Run = dict[str, Any]
"""A run's document, as Sacred stores it."""

MARK = " †"
"""Behind the name of a series of which a run has learned nothing that random weights do not give."""


@dataclass(frozen=True)
class Origin:
    """Other images that the encoders of a series were pretrained on.

    Args:
        label: which, in print, with split and size where they are known.
        images: their name alone.
        phantom: whether they are procedural.
    """

    label: str
    images: str
    phantom: bool


@dataclass(frozen=True)
class Series:
    """Runs to average over.

    Args:
        key: `info.series` of the runs.
        method: name of the method.
        label: its name in print; of several series of one method the reference has the plain name, and the others also
            tell in which settings they differ from it.
        variant: 0, 1, ... among the series of one method.
        runs: the whole runs, by id; empty where every run of the series is left out.
        tested: whether its runs are ones that are evaluated.
        reference: whether it stands for its method where one series has to, and scores are asked for: of several with
            runs the one with the fewest settings that are not those of its named configs, and of such the one with the
            most runs, so that no result has a say in it.
        trainer: the same where pretraining is asked for; another series where encoders were judged in runs apart.
        origin: where its encoders come from, if they were pretrained on other images.
    """

    key: str
    method: str
    label: str
    variant: int
    runs: tuple[Run, ...]
    tested: bool
    reference: bool
    trainer: bool
    origin: Origin | None = None


def series_of(runs: Sequence[Run], whole: Set[int], origin: Origin | None = None) -> tuple[Series, ...]:
    """Return the series of a study's runs, in the order of tables and legends.

    Args:
        runs: every run of the study, left out or not.
        whole: ids of the runs that are drawn.
        origin: where their encoders come from, if they were pretrained on other images.
    """
    by_key: dict[str, list[Run]] = {}
    for run in runs:
        by_key.setdefault(run["info"]["series"], []).append(run)
    by_method: dict[str, list[str]] = {}
    for key, members in by_key.items():
        by_method.setdefault(members[0]["config"]["method"]["name"], []).append(key)
    settings = {key: settings_of(members) for key, members in by_key.items()}
    made = []
    for method in sorted(by_method, key=style.rank):
        keys = by_method[method]
        order = {
            key: (whole.isdisjoint(ids), *_overridden(by_key[key]), -len(ids), -max(ids))
            for key in keys
            if (ids := {run["_id"] for run in by_key[key]})
        }
        judging = [key for key in keys if _does(by_key[key], "train", "evaluate")] or keys
        training = [key for key in keys if _does(by_key[key], "train", "pretrain")] or keys
        reference, trainer = (min(able, key=order.__getitem__) for able in (judging, training))
        notes = tell_from(settings[reference], {key: settings[key] for key in keys})
        for variant, (note, key) in enumerate(sorted((notes[key], key) for key in keys)):
            drawn = tuple(run for run in by_key[key] if run["_id"] in whole)
            label = plain_label(method, drawn) + (f" ({note})" if note else "")
            tested = _does(by_key[key], "train", "evaluate")
            made.append(Series(key, method, label, variant, drawn, tested, key == reference, key == trainer, origin))
    return tuple(made)


def unlearned(runs: Sequence[Run]) -> list[Run]:
    """Return the runs whose pretraining ended with a linear readout that is not above that of random weights.

    Runs without pretraining, and those stored before it was measured, are none of them.
    """
    return [run for run in runs if not run["info"].get("learning", {}).get("learned", True)]


def plain_label(method: str, runs: Sequence[Run]) -> str:
    """Return a method's name in print, marked where one of the runs has learned nothing."""
    return style.look(method).label + (MARK if unlearned(runs) else "")


def differing(one: Series, other: Series) -> list[str]:
    """Return the dotted names of the settings in which two series differ, but for those that never tell apart."""
    mine, theirs = (dict(flat(series.runs[0]["config"])) for series in (one, other))
    names = sorted(mine.keys() | theirs.keys())
    return [name for name in names if name not in UNTOLD and mine.get(name) != theirs.get(name)]


def _does(runs: Sequence[Run], *commands: str) -> bool:
    return any(run["command"] in commands for run in runs)


def _overridden(runs: Sequence[Run]) -> tuple[int, bool]:
    """Return how many settings are not those of the named configs, 0 where no run says so, and whether none does."""
    counts = [len(run["info"]["overridden"]) for run in runs if "overridden" in run["info"]]
    return min(counts, default=0), not counts


def tell_from(base: Mapping[str, str], settings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return, for each group, the settings in which it differs from a base: "tracin.normalize=dot"; "" for the base."""
    untold: tuple[str, ...] = UNTOLD
    told = _differences(base, settings, untold)
    for faint in FAINT:
        fewer = _differences(base, settings, (*untold, faint))
        if len({"", *fewer.values()}) == len({"", *told.values()}):
            told, untold = fewer, (*untold, faint)
    return told


def _differences(
    base: Mapping[str, str], settings: Mapping[str, Mapping[str, str]], untold: Sequence[str]
) -> dict[str, str]:
    return {
        key: ", ".join(
            f"{name}={values[name]}" if name in values else f"no {name}"
            for name in sorted((base.keys() | values.keys()) - set(untold))
            if values.get(name) != base.get(name)
        )
        for key, values in settings.items()
    }


def settings_of(runs: Sequence[Run]) -> dict[str, str]:
    """Return the settings of runs and their command, as text; where runs differ, every value."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, value in flat({**run["config"], "command": run["command"]}):
            found.setdefault(name, set()).add("+".join(map(str, value)) if isinstance(value, list) else str(value))
    return {name: "|".join(sorted(values)) for name, values in found.items()}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) for every leaf of a nested config."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
