"""Which runs: by method, data set, scale, seed, status and time."""

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from repro.errors import InputError, did_you_mean
from repro.records.summary import Summary

KINDS = ("method", "data", "scale", "command", "status")
"""Filters that are words; several of a kind mean any of them."""


OF = {
    "command": ": train, pretrain or evaluate",
    "status": ": COMPLETED, RUNNING, DEAD, FAILED, INTERRUPTED or INCOMPLETE",
}
"""What there is to choose from."""


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the filters to a verb's options."""
    for kind in KINDS:
        parser.add_argument(
            f"--{kind}", nargs="+", default=[], metavar=kind.upper(), help=f"only of this {kind}{OF.get(kind, '')}"
        )
    parser.add_argument("--seed", nargs="+", type=int, default=[], metavar="SEED", help="only of this seed")
    parser.add_argument(
        "--since", type=_time, metavar="TIME", help="only runs that started since, e.g. 2026-11-30 or 2026-11-30T14"
    )


def chosen(rows: Iterable[Summary], **wanted: Any) -> list[Summary]:
    """Return the rows that every filter lets through.

    Args:
        rows: summaries of runs.
        wanted: a value or several per filter, of `KINDS` or `seed`; `since`, a time.

    Raises:
        InputError: no such filter, or no run at all has a value asked for.
    """
    every = rows = list(rows)
    since: datetime | None = wanted.pop("since", None)
    for kind, asked in wanted.items():
        if kind not in (*KINDS, "seed"):
            raise InputError(f"no filter '{kind}'.{did_you_mean(kind, [*KINDS, 'seed', 'since'])}")
        values = [asked] if isinstance(asked, str | int) else list(asked or ())
        there = {row[kind] for row in every}
        for value in values:
            if value not in there and every:
                known = ", ".join(sorted(map(str, there)))
                raise InputError(
                    f"no run has {kind} '{value}'.{did_you_mean(str(value), map(str, there))} Stored: {known}"
                )
        rows = [row for row in rows if not values or row[kind] in values]
    return [row for row in rows if since is None or (row["started"] and row["started"] >= since.astimezone(UTC))]


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the filters of a command line, for `chosen`."""
    return {kind: getattr(options, kind) for kind in (*KINDS, "seed", "since")}


def _time(word: str) -> datetime:
    try:
        return datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{word}' is no date; write it as 2026-11-30 or 2026-11-30T14:05") from None
