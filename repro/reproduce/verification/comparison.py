"""Two records of one run, number by number.

Numbers are the same if all their bits are; NaN is the same as NaN.
"""

import hashlib
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors

from repro.reproduce.verification.tolerances import same, tolerance_of

Series = Sequence[tuple[float, float]]
"""(step, value) of the points of a metric."""


COMPUTED = ("views.pictures.npz: first", "views.pictures.npz: second", "partners.pictures.npz: */*")
"""Stored arrays of whole numbers that are computed, as scores and weights are; all others are taken from the data."""


@dataclass(frozen=True)
class Point:
    """One value that is not the same.

    Args:
        place: where in its series or array, e.g. "step 3" or "[12, 4]"; may be empty.
        then, now: the values as text, "missing" where there is none.
        gap: their distance; None where there is none.
    """

    place: str
    then: str
    now: str
    gap: float | None

    def __str__(self) -> str:
        gap = "" if self.gap is None else f" ({self.gap:.3g} apart)"
        return f"{self.place}: {self.then} then, {self.now} now{gap}".removeprefix(": ")


def gap_of(point: Point) -> float:
    """Return how far apart its values are; infinitely if one is missing or not a number."""
    return math.inf if point.gap is None else point.gap


@dataclass(frozen=True)
class Difference:
    """A metric, an array or a fact that is not the same in both records.

    Args:
        name: of what.
        count: values that differ, out of `of`.
        first: the first of them.
        largest: the farthest apart; one that is missing or not a number counts as farthest.
        near: whether all are within `TOLERANCES`; None for single weights, scores and computed pictures, which only
            metrics sum up, and for files that are not there to be read.
    """

    name: str
    count: int
    of: int
    first: Point
    largest: Point
    near: bool | None

    def __str__(self) -> str:
        if self.of == 1:
            return f"{self.name}: {self.first}"
        text = f"{self.name}: {self.count:,} of {self.of:,} values, first {self.first}"
        return text if self.largest == self.first else f"{text}; largest {self.largest}"


@dataclass(frozen=True)
class LeftOut:
    """A file that was left out when its run was archived, and what the SHA-256 of its content was."""

    sha256: str


def compare_series(metric: str, then: Series, now: Series) -> Difference | None:
    """Return in what two series differ, point by point; None if in nothing. A series that is not there is empty.

    Points belong together by their step; where a step has several, by their order.
    """
    before, after = _by_step(then), _by_step(now)
    tolerance, points, near = tolerance_of(metric), [], True
    for key in sorted(before.keys() | after.keys()):
        a, b = before.get(key), after.get(key)
        if a is None or b is None or not same(a, b):
            points.append(Point(f"step {_step(key[0])}", _text(a), _text(b), _gap(a, b)))
            near = near and a is not None and b is not None and tolerance.allows(a, b)
    if not points:
        return None
    of = len(before.keys() | after.keys())
    return Difference(f"metric {metric}", len(points), of, points[0], max(points, key=gap_of), near)


def compare_array(name: str, then: np.ndarray | None, now: np.ndarray | None) -> Difference | None:
    """Return in what two arrays differ, place by place; None if in nothing. An array that is not there is None.

    Scores that an older version stored with fewer digits are compared with as many.
    """
    if then is not None and now is not None and then.dtype.kind == now.dtype.kind == "f":
        coarser = min(then.dtype, now.dtype, key=lambda kind: kind.itemsize)
        then, now = then.astype(coarser), now.astype(coarser)
    if then is None or now is None or (then.dtype, then.shape) != (now.dtype, now.shape):
        return compare_fact(name, *("missing" if a is None else f"{a.dtype} {list(a.shape)}" for a in (then, now)))
    real = then.dtype.kind == "f"
    same = then == now
    if real:
        same = (same & (np.signbit(then) == np.signbit(now))) | (np.isnan(then) & np.isnan(now))
    places = np.argwhere(~same)
    if not len(places):
        return None
    gaps = np.full(len(places), np.inf)
    if then.dtype.kind in "fiu":
        gaps = np.abs(then[~same].astype(np.float64) - now[~same].astype(np.float64))
    points = []
    for k in (0, int(np.argmax(np.nan_to_num(gaps, nan=np.inf)))):
        place = tuple(places[k].tolist())
        points.append(Point(str(list(place)), str(then[place]), str(now[place]), _finite(gaps[k])))
    first, largest = points
    computed = real or any(fnmatchcase(name, pattern) for pattern in COMPUTED)
    return Difference(name, len(places), then.size, first, largest, None if computed else False)


def compare_artifact(name: str, then: bytes | LeftOut | None, now: bytes | LeftOut | None) -> list[Difference]:
    """Return in what two stored files differ: array by array (npz, safetensors), else as wholes. None: not there."""
    if then == now:
        return []
    if isinstance(then, LeftOut) or isinstance(now, LeftOut):
        return _compare_hashes(name, then, now)
    reader = next((read for ending, read in READERS.items() if name.endswith(ending)), None)
    if then is None or now is None or reader is None:
        hashes = ("missing" if c is None else f"SHA-256 {hashlib.sha256(c).hexdigest()[:12]}" for c in (then, now))
        found = [compare_fact(f"artifact {name}", *hashes)]
    else:
        before, after = reader(then), reader(now)
        keys = sorted(before.keys() | after.keys())
        found = [compare_array(f"{name}: {key}", before.get(key), after.get(key)) for key in keys]
    return [difference for difference in found if difference is not None]


def _compare_hashes(name: str, then: bytes | LeftOut | None, now: bytes | LeftOut | None) -> list[Difference]:
    """Return whether two files differ of which one is not there to be read; by how much cannot be told."""
    before, after = (
        "missing" if each is None else each.sha256 if isinstance(each, LeftOut) else hashlib.sha256(each).hexdigest()
        for each in (then, now)
    )
    found = compare_fact(f"artifact {name}", before, after)
    return [] if found is None else [found if None in (then, now) else replace(found, near=None)]


def compare_fact(name: str, then: object, now: object) -> Difference | None:
    """Return the difference between two texts, hashes or counts; None if they are equal."""
    if then == now:
        return None
    point = Point("", said(then), said(now), None)
    return Difference(name, 1, 1, point, point, False)


def _npz(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


READERS: dict[str, Callable[[bytes], dict[str, np.ndarray]]] = {".npz": _npz, ".safetensors": load_tensors}
"""By ending."""


def said(value: Any) -> str:
    """Return a fact as it is told: a hash by its first digits."""
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 else text


def _by_step(series: Iterable[tuple[float, float]]) -> dict[tuple[float, int], float]:
    found: dict[tuple[float, int], float] = {}
    times: dict[float, int] = {}
    for step, value in series:
        times[step] = times.get(step, -1) + 1
        found[step, times[step]] = value
    return found


def _gap(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else _finite(abs(a - b))


def _finite(gap: float) -> float | None:
    return float(gap) if math.isfinite(gap) else None


def _step(step: float) -> str:
    return str(int(step)) if step == int(step) else repr(step)


def _text(value: float | None) -> str:
    return "missing" if value is None else repr(float(value))
