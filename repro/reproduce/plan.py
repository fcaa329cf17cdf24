"""The cells of a study, and where each of them stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from repro.configs import METHODS
from repro.configs.identity import identity
from repro.configs.plans import PLANS
from repro.configs.resolve import resolve
from repro.errors import InputError, did_you_mean
from repro.store import find_runs, problems_of


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Args:
        named: its named configs.
        updates: dotted key -> value, over them.
        task: the command of `repro.run` that makes it.
    """

    named: tuple[str, ...]
    updates: dict[str, Any]
    task: str

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        return resolve(self.named, self.updates)

    @property
    def key(self) -> str:
        """The hash that finds its runs in the database."""
        return identity(self.config, self.task)["cell"]

    @property
    def command(self) -> str:
        """The command that runs just this cell."""
        task = "" if self.task == "train" else f"{self.task} "
        settings = (f"{key}={value}" for key, value in self.updates.items())
        return " ".join([f"python -m repro.run {task}with", *self.named, *settings])


def cells(
    scale: str, methods: Sequence[str], seeds: Sequence[int], data: dict[str, str], updates: dict[str, Any]
) -> list[Cell]:
    """Return a study's cells, in the order they run: seed by seed, so that an early look compares all methods.

    Args:
        scale: a key of `PLANS`.
        methods, seeds: these in place of the plan's; empty for the plan's.
        data: data set of the plan -> the named config that stands in for it.
        updates: settings for every cell.

    Raises:
        InputError: an unknown method.
    """
    plan = PLANS[scale]
    if "seed" in updates:
        raise InputError("--set seed=N would make all seeds one; say --seeds N")
    for method in methods:
        if method not in METHODS:
            raise InputError(
                f"--methods: no method '{method}'.{did_you_mean(method, METHODS)} Known: {', '.join(METHODS)}"
            )
    found = []
    for dataset in plan.datasets:
        named = data.get(dataset, dataset)
        mark = {"data.stands_in_for": dataset} if named != dataset else {}
        for seed in dict.fromkeys(seeds or plan.seeds):
            for method in methods or plan.methods:
                found.append(Cell((method, named, scale), {"seed": seed, **mark, **updates}, plan.command))
    return found


def standing(database: Database, cell: Cell) -> str:
    """Return "done", "running", "failed", "damaged" or "missing": the best that any run of the cell is."""
    runs = find_runs(database, info__cell=cell.key)
    if any(not problems_of(database, run) for run in runs if run["status"] == "COMPLETED"):
        return "done"
    states = {run["status"] for run in runs}
    for status, word in (
        ("RUNNING", "running"),
        ("COMPLETED", "damaged"),
        ("INCOMPLETE", "damaged"),
        ("FAILED", "failed"),
    ):
        if status in states:
            return word
    return "missing"
