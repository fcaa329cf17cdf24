"""One stored run, found by its id, and its parts side by side."""

from collections.abc import Mapping
from typing import Any

from pymongo.database import Database

from repro.configs.resolve import flat, settings
from repro.errors import InputError
from repro.records.summary import is_ours
from repro.store.source import Run


def document(database: Database, run_id: int) -> Run:
    """Return the whole document of a run.

    Raises:
        InputError: there is none, or it is of another experiment.
    """
    run = database.runs.find_one({"_id": run_id})
    if run is None:
        raise InputError(f"no run {run_id} in the run database; `python -m repro.db list` lists them")
    if not is_ours(run):
        raise InputError(f"run {run_id} is of another experiment; `python -m repro.db list` lists this kit's runs")
    return run


def config_of(run: Run) -> dict[str, Any]:
    """Return the settings of a run by their dotted keys."""
    return dict(flat(run["config"]))


def changed(run: Run) -> dict[str, Any]:
    """Return the settings of a run that are not today's defaults; one that the run lacks is left out."""
    default = {key: setting.value for key, setting in settings()}
    return {key: value for key, value in config_of(run).items() if key not in default or value != default[key]}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return key -> (value here, value there) for all that is not the same in both; "missing" where there is none."""
    keys = dict.fromkeys([*one, *other])
    pairs = {key: (one.get(key, "missing"), other.get(key, "missing")) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
