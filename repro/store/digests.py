"""SHA-256 of what a run records: of the points of a metric, and of a fact. Made during the run, compared later."""

import hashlib
import json
import math
import struct
from collections.abc import Iterable
from typing import Any

from bson import json_util


class SeriesDigest:
    """A running SHA-256 over the points of one metric: each is (step, value), two little-endian float64.

    Order counts, timestamps do not. Every NaN is the same NaN; 0.0 and -0.0 differ.
    """

    def __init__(self) -> None:
        self.points = 0
        self._hash = hashlib.sha256()

    def add(self, step: float, value: float) -> None:
        """Take in the next point."""
        self.points += 1
        self._hash.update(struct.pack("<2d", _one_nan(step), _one_nan(value)))

    @property
    def expectation(self) -> dict[str, Any]:
        """What the stored metric is held against: its number of points, and the SHA-256 of all of them."""
        return {"points": self.points, "sha256": self._hash.hexdigest()}


def series_digest(steps: Iterable[float], values: Iterable[float]) -> SeriesDigest:
    """Return the digest of a whole metric: steps and values, equally many.

    Raises:
        TypeError: a step or a value is no number.
    """
    digest = SeriesDigest()
    for step, value in zip(steps, values, strict=True):
        digest.add(step, value)
    return digest


def fact_sha256(fact: Any) -> str:
    """Return the SHA-256 of a fact that JSON can hold (a config, what is known of the data); keys in any order."""
    return hashlib.sha256(json.dumps(fact, sort_keys=True, default=repr).encode()).hexdigest()


def stored_sha256(value: Any) -> str:
    """Return the SHA-256 of a part of a document (times, ids, numbers) as every server gives it back: canonical
    extended JSON with sorted keys, times in milliseconds.
    """  # fmt: skip
    options = json_util.CANONICAL_JSON_OPTIONS
    text = json_util.dumps({"": value}, json_options=options, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _one_nan(number: float) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"{number!r} is no number")
    return math.nan if math.isnan(number) else float(number)
