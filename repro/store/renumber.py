"""Runs under other ids, so that they fit beside those of another run database."""

import copy
from collections.abc import Mapping
from typing import Any

from repro.configs.identity import ORIGINS
from repro.errors import InputError
from repro.store.digests import fact_sha256
from repro.store.documents import Document

Ids = Mapping[int, int]
"""From the id that a run has to the one it gets."""


def renumbered_run(run: Document, ids: Ids) -> Document:
    """Return a run's document under its new id; the runs that its config names go along.

    Raises:
        InputError: it rests on a run that gets no new id.
    """
    moved = copy.deepcopy(run)
    moved["_id"] = ids[run["_id"]]
    for key in ORIGINS:
        group, name = key.split(".")
        settings = moved["config"].get(group)
        if isinstance(settings, dict) and (origin := settings.get(name)) is not None:
            if origin not in ids:
                raise InputError(f"run {run['_id']} rests on run {origin} ({key}); export that, too")
            settings[name] = ids[origin]
    _hash_again(run, moved)
    return moved


def renumbered_series(series: Document, ids: Ids) -> Document:
    """Return the document of a metric under the new id of its run."""
    return {**series, "run_id": ids[series["run_id"]]}


def renumbered_file(file: Document, ids: Ids) -> Document:
    """Return the document of a file, with the new id of the run that first stored it if that has one."""
    told: Any = file.get("metadata", {}).get("run_id")
    return {**file, "metadata": {**file["metadata"], "run_id": ids[told]}} if told in ids else file


def _hash_again(run: Document, moved: Document) -> None:
    """Give a config that names other ids its hash; one that was altered before stays altered."""
    facts = (run["info"].get("expected") or {}).get("facts")
    if isinstance(facts, dict) and facts.get("config") == fact_sha256(run["config"]):
        moved["info"]["expected"]["facts"]["config"] = fact_sha256(moved["config"])
