"""Summary of a run in one line."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from repro.store.foreign import OURS
from repro.store.liveness import alive
from repro.store.source import LEFT_OUT, Run

Summary = dict[str, Any]

DEAD = "DEAD"
"""Shown as the status of a run that is on record as RUNNING while its process is gone."""


def is_ours(run: Run) -> bool:
    """Return whether a document is of a run of this kit: others may share the collection."""
    config = run.get("config")
    groups = isinstance(config, dict) and all(isinstance(config.get(key), dict) for key in ("method", "data"))
    return groups and isinstance(run["_id"], int) and isinstance(run.get("info"), dict)


def summary(run: Run, status: str | None = None) -> Summary:
    """Return a run in a line: run, status, command, method, data, scale, seed, started, minutes, scores.

    Args:
        run: its document.
        status: what to say instead of its stored status.
    """
    config, end = run["config"], run.get("stop_time") or run.get("heartbeat")
    began = run.get("start_time")
    minutes = round((end - began).total_seconds() / 60, 1) if isinstance(began, datetime) and end else None
    return {
        "run": run["_id"],
        "status": status or run["status"],
        "command": run.get("command"),
        "method": config["method"].get("name"),
        "data": config["data"].get("name"),
        "scale": config.get("scale"),
        "seed": config.get("seed"),
        "started": began.replace(tzinfo=UTC, microsecond=0) if isinstance(began, datetime) else None,
        "minutes": minutes,
        "scores": dict(run["result"]) if isinstance(run.get("result"), dict) else {},
    }


def summaries(database: Database) -> list[Summary]:
    """Return every run of this kit in a line, by ascending id."""
    runs = filter(is_ours, database.runs.find(OURS, LEFT_OUT).sort("_id", 1))
    return [summary(run, status_of(database, run)) for run in runs]


def status_of(database: Database, run: Run) -> str:
    """Return the status of a run, DEAD where it says RUNNING and nobody runs it."""
    return DEAD if run["status"] == "RUNNING" and not alive(database, run) else run["status"]


def columns(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """Return rows as lines of columns that stand under each other, the first of them the names."""
    names = list(names)
    cells = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M}"
    if isinstance(value, dict):
        return " ".join(f"{name} {number:.3f}" for name, number in value.items())
    return "-" if value is None else str(value)
