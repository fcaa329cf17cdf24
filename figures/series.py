"""The runs of one study as series: runs that differ in nothing but the seed, and what to call them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from figures import style

UNTOLD = (
    "seed", "scale", "device", "data.residency", "method.name", "pretrain.checkpoint_every", "pretrain.keep_every",
    "evaluate.pretraining", "tracin.pretraining",
)  # fmt: skip
"""Settings that never tell two series apart: the seed, the name itself, ids of runs, and what does not change the
result. Runs that differ in these alone are one series."""

FAINT = ("selector.measured", "command")
"""Settings that are told only where the others do not tell all series apart."""

Run = dict[str, Any]
"""A run's document, as Sacred stores it."""


@dataclass(frozen=True)
class Series:
    """Runs to average over.

    Args:
        key: `info.series` of the runs.
        method: name of the method.
        label: its name in print; with the settings that differ where a study has several series of one method.
        variant: 0, 1, ... among the series of one method.
        runs: the whole runs, by id; empty where every run of the series is left out.
        tested: whether its runs are ones that are evaluated.
    """

    key: str
    method: str
    label: str
    variant: int
    runs: tuple[Run, ...]
    tested: bool


def series_of(runs: list[Run], whole: set[int]) -> tuple[Series, ...]:
    """Return the series of a study's runs, in the order of tables and legends.

    Args:
        runs: every run of the study, left out or not.
        whole: ids of the runs that are drawn.
    """
    by_key: dict[str, list[Run]] = {}
    for run in runs:
        by_key.setdefault(run["info"]["series"], []).append(run)
    by_method: dict[str, list[str]] = {}
    for key, members in by_key.items():
        by_method.setdefault(members[0]["config"]["method"]["name"], []).append(key)
    made = []
    for method in sorted(by_method, key=style.rank):
        notes = _differences({key: by_key[key] for key in by_method[method]})
        for variant, (note, key) in enumerate(sorted((notes[key], key) for key in by_method[method])):
            label = style.look(method).label + (f" ({note})" if note else "") + _origin(by_key[key])
            drawn = tuple(run for run in by_key[key] if run["_id"] in whole)
            tested = any(run["command"] != "pretrain" for run in by_key[key])
            made.append(Series(key, method, label, variant, drawn, tested))
    return tuple(made)


def _origin(runs: list[Run]) -> str:
    """Return where encoders come from that were pretrained on other images, as a label says it; else nothing."""
    names = {run["info"].get("pretrained_on") for run in runs} - {runs[0]["config"]["data"]["name"], None}
    return f", from {' and '.join(sorted(style.DATA.get(name, name) for name in names))}" if names else ""


def _differences(groups: Mapping[str, list[Run]]) -> dict[str, str]:
    """Return, for each group of runs, the settings in which the groups differ: "tracin.normalize=dot"."""
    settings = {key: _settings(runs) for key, runs in groups.items()}
    names = sorted(set().union(*settings.values()) - set(UNTOLD))
    differing = [name for name in names if len({values.get(name, "") for values in settings.values()}) > 1]
    for faint in FAINT:
        others = [name for name in differing if name != faint]
        if len({tuple(values.get(name, "") for name in others) for values in settings.values()}) == len(settings):
            differing = others
    return {
        key: ", ".join(f"{name}={values[name]}" for name in differing if name in values)
        for key, values in settings.items()
    }


def _settings(runs: list[Run]) -> dict[str, str]:
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
