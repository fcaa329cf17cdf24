"""The claims as `claims.toml` asks them, checked key by key."""

import tomllib
from pathlib import Path
from typing import Any

from repro.errors import InputError

LEDGER = Path(__file__).with_name("claims.toml")

NEEDED: dict[str, set[str]] = {
    "scores": {"against", "transfer", "protocol", "percent_below"},
    "partners": {"than"},
    "time": {"against", "at_most"},
}
"""Kind of a claim -> the keys it has beside those of every claim."""

Claim = dict[str, Any]

OF_ALL = {"name", "short", "headline", "text", "source", "kind", "method", "base"}


def read(path: Path = LEDGER) -> dict[str, Any]:
    """Return the ledger: level, pairs, and the list claim.

    Raises:
        InputError: it cannot be read, or a claim lacks a key or has one too many.
    """
    try:
        ledger = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if missing := {"level", "pairs", "claim"} - ledger.keys():
        raise InputError(f"{path}: {sorted(missing)[0]} is missing")
    for number, claim in enumerate(ledger["claim"], start=1):
        where = f"{path}: claim {claim.get('name', number)}"
        if (kind := claim.get("kind")) not in NEEDED:
            raise InputError(f"{where}: kind must be one of {', '.join(NEEDED)}, not {kind!r}")
        wrong = (OF_ALL | NEEDED[kind]) ^ claim.keys()
        if wrong:
            verb = "is missing" if min(wrong) not in claim else "is no key of it"
            raise InputError(f"{where}: {min(wrong)} {verb}")
    return ledger
