"""The runs that choose recipes: which there are, how good each is on validation images, and what follows."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymongo.database import Database

from repro.configs.grids import TUNINGS, Grid, Tuning
from repro.configs.recipes import EVERY
from repro.errors import InputError, did_you_mean
from repro.reproduce.study.cells import Cell
from repro.reproduce.study.status import whole_runs
from repro.store import metric_points

AS_GOOD = 0.005
"""Macro AUC by which more steps of fine-tuning have to be better to count as better [us]."""

STEPS = "evaluate.finetune.steps"

UNTRAINED = "random_init"
"""The method whose weights tell how many steps of fine-tuning are enough, for every method."""


Candidate = dict[str, Any]
"""Settings that are tried, dotted key -> value."""


@dataclass(frozen=True)
class Trial:
    """One candidate of one method, and the cells that score it: one for each data set and seed.

    Args:
        method: a named config, or `EVERY` for a number of fine-tuning steps.
        candidate: its settings, dotted key -> value.
        cells: its runs.
    """

    method: str
    candidate: Candidate
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Score:
    """How good a trial is.

    Args:
        trial: which.
        runs: the whole runs behind it, in the order of its cells.
        by_fraction: label percent -> macro AUC (several labels: mean AUC) on validation, mean over runs.
    """

    trial: Trial
    runs: tuple[int, ...]
    by_fraction: Mapping[float, float]

    @property
    def mean(self) -> float:
        """The mean over label fractions."""
        return float(np.mean([*self.by_fraction.values()]))


def tuning(scale: str) -> Tuning:
    """Return how the recipes of a scale are chosen.

    Raises:
        InputError: no grid is declared for it.
    """
    if scale not in TUNINGS:
        raise InputError(
            f"--scale {scale}: no recipes are tried for it; declare a grid in repro/configs/grids.py. Declared for: "
            f"{', '.join(TUNINGS)}"
        )
    return TUNINGS[scale]


def candidates(grid: Grid) -> list[Candidate]:
    """Return the candidates of a grid in order: those named one by one, or every combination of its axes' values."""
    if grid.each:
        return [dict(candidate) for candidate in grid.each]
    return [dict(zip(grid.axes, values, strict=True)) for values in itertools.product(*grid.axes.values())]


def base_trials(scale: str, methods: Sequence[str] = ()) -> list[Trial]:
    """Return the trials that wait for no other choice: fine-tuning's steps, and methods with a recipe of their own.

    Args:
        scale: which.
        methods: these only; empty for all.
    """
    how = tuning(scale)
    _check(how, methods)
    steps = [_trial(scale, UNTRAINED, {STEPS: count}, how.finetune, EVERY) for count in how.steps]
    own = [
        _trial(scale, method, candidate, how.settings, seeds=grid.seeds)
        for method, grid in how.grids.items()
        if grid.base is None and (not methods or method in methods)
        for candidate in candidates(grid)
    ]
    return (steps if not methods or UNTRAINED in methods else []) + own


def partner_trials(scale: str, recipes: Mapping[str, Candidate], methods: Sequence[str] = ()) -> list[Trial]:
    """Return the trials of methods that take another's recipe first, as far as that is chosen.

    Args:
        scale: which.
        recipes: method -> the settings chosen so far.
        methods: these only; empty for all.
    """
    how = tuning(scale)
    return [
        _trial(scale, method, {**recipes[grid.base], **candidate}, how.settings, seeds=grid.seeds)
        for method, grid in how.grids.items()
        if grid.base is not None and grid.base in recipes and (not methods or method in methods)
        for candidate in candidates(grid)
    ]


def scores(database: Database, trials: Sequence[Trial]) -> Iterator[Score]:
    """Yield the score of every trial whose cells all have whole runs."""
    for trial in trials:
        runs = [next(whole_runs(database, cell), None) for cell in trial.cells]
        whole = [run for run in runs if run is not None]
        if len(whole) == len(runs):
            ids = [run["_id"] for run in whole]
            yield Score(trial, tuple(ids), _by_fraction(database, ids))


def best(found: Sequence[Score]) -> Score:
    """Return the candidate with the highest mean; of equal ones the one declared first."""
    return max(found, key=lambda score: score.mean)


def fewest_steps(found: Sequence[Score]) -> list[int]:
    """Return, for each label fraction, the fewest steps after which more make validation no better.

    Args:
        found: scores of numbers of steps, ascending.
    """
    chosen = []
    for percent in found[0].by_fraction:
        values = [score.by_fraction[percent] for score in found]
        enough = next(n for n, value in enumerate(values) if max(values[n:]) <= value + AS_GOOD)
        chosen.append(found[enough].trial.candidate[STEPS])
    return chosen


def _trial(
    scale: str,
    method: str,
    candidate: Candidate,
    settings: Mapping[str, Any],
    name: str = "",
    seeds: Sequence[int] = (),
) -> Trial:
    cells = [
        Cell((method, images.named, scale), {**images.updates, **settings, **candidate, "seed": seed}, "train")
        for seed in seeds or tuning(scale).seeds
        for images in tuning(scale).datasets
    ]
    return Trial(name or method, candidate, tuple(cells))


def _check(how: Tuning, methods: Sequence[str]) -> None:
    declared = (UNTRAINED, *how.grids)
    for method in methods:
        if method not in declared:
            raise InputError(
                f"--methods: no candidates are declared for '{method}'.{did_you_mean(method, declared)} Declared for: "
                f"{', '.join(declared)}"
            )


def _by_fraction(database: Database, runs: Sequence[int]) -> dict[float, float]:
    points = metric_points(database, runs, "val/")
    aucs = points[points["name"].str.fullmatch("val/[a-z]+/(macro|mean)_auc")]
    means = aucs.groupby("step")["value"].mean()
    return dict(zip(means.index.astype(float).tolist(), means.tolist(), strict=True))
