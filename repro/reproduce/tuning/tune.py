"""Choice of each method's recipe: by validation images alone, with seeds that no study uses."""

import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pymongo.database import Database

from repro.configs.recipes import EVERY, FILE, chosen
from repro.files import write_whole
from repro.reproduce.study.cells import Cell
from repro.reproduce.tuning.trials import (
    STEPS,
    Score,
    Trial,
    base_trials,
    best,
    fewest_steps,
    partner_trials,
    scores,
    tuning,
)

if TYPE_CHECKING:
    from repro.reproduce.engines.local import Failure  # torch takes seconds to import

log = logging.getLogger("repro.reproduce")

Recipes = dict[str, dict[str, Any]]
"""Method, or `EVERY` -> settings (dotted key -> value), score, and the ids of the runs behind it."""


def tune(
    database: Database, scale: str, methods: Sequence[str], run: "Callable[[Sequence[Cell]], list[Failure]]"
) -> "tuple[Recipes, list[Score], list[Failure]]":
    """Run the trials that are missing, and choose.

    A method is chosen for once all its candidates have whole runs; one whose trials failed keeps what it had.

    Args:
        database: the run database.
        scale: a key of `grids.TUNINGS`.
        methods: these only; empty for all.
        run: runs the missing ones of some cells, and returns those that failed.

    Returns:
        The recipes chosen, every score, and the cells that failed.
    """
    waiting = set(methods or tuning(scale).grids)
    recipes: Recipes = {}
    found: list[Score] = []
    failures: list[Failure] = []

    def next_trials() -> list[Trial]:
        # A method whose base is still to be chosen waits for it.
        every = {**chosen().get(scale, {}), **recipes}
        known = {name: recipe["settings"] for name, recipe in every.items() if "settings" in recipe}
        ready = {name: settings for name, settings in known.items() if name not in waiting}
        return [trial for trial in partner_trials(scale, ready, methods) if trial.method in waiting]

    trials = base_trials(scale, methods) or next_trials()
    while trials:
        failures += run(_cells(trials))
        scored = [*scores(database, trials)]
        found, recipes = [*found, *scored], recipes | _chosen(trials, scored)
        waiting -= {trial.method for trial in trials}
        trials = next_trials()
    for method in sorted(waiting - recipes.keys()):
        base = tuning(scale).grids[method].base if method in tuning(scale).grids else None
        if base is not None and not any(cell.cell.named[0] == method for cell in failures):
            log.warning(
                "%s: not tried, since it builds on %s, for which nothing is chosen: tune that first", method, base
            )
    return recipes, found, failures


def write(scale: str, recipes: Recipes) -> None:
    """Write the recipes of a scale into the configs; those of other methods and scales stay."""
    known = {**chosen()}
    known[scale] = {**known.get(scale, {}), **recipes}
    order = [EVERY, *tuning(scale).grids]
    known[scale] = dict(sorted(known[scale].items(), key=lambda pair: order.index(pair[0])))
    write_whole(FILE, (json.dumps(known, indent=2) + "\n").encode())


def report(found: Sequence[Score], recipes: Recipes) -> str:
    """Return a table of all candidates, those chosen marked with a star."""
    lines = [f"{'':2}{'method':16} {'candidate':64} {'macro AUC (%)':>14}  runs"]
    for score in found:
        trial = score.trial
        star = "*" if _is_chosen(trial, recipes) else ""
        told = " ".join(f"{key}={value}" for key, value in trial.candidate.items())
        runs = " ".join(map(str, score.runs))
        lines.append(f"{star:2}{trial.method:16} {told:64} {100 * score.mean:14.2f}  {runs}")
    return "\n".join(lines)


def _chosen(trials: Sequence[Trial], found: Sequence[Score]) -> Recipes:
    recipes: Recipes = {}
    for method in dict.fromkeys(trial.method for trial in trials):
        own = [score for score in found if score.trial.method == method]
        if len(own) < sum(trial.method == method for trial in trials):
            log.warning("%s: not all candidates have whole runs, so none is chosen", method)
            continue
        runs = sorted({run for score in own for run in score.runs})
        if method == EVERY:
            recipes[method] = {"settings": {STEPS: fewest_steps(own)}, "runs": runs}
        else:
            winner = best(own)
            recipes[method] = {"settings": winner.trial.candidate, "score": round(winner.mean, 6), "runs": runs}
    return recipes


def _is_chosen(trial: Trial, recipes: Recipes) -> bool:
    settings = recipes.get(trial.method, {}).get("settings", {})
    steps = settings.get(STEPS)
    if trial.method == EVERY:
        return steps is not None and trial.candidate[STEPS] in steps
    return settings == trial.candidate


def _cells(trials: Sequence[Trial]) -> list[Cell]:
    return [cell for trial in trials for cell in trial.cells]
