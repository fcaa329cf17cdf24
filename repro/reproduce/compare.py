"""Two records of one run, number by number; and what of their surroundings is not the same.

Numbers are the same if all their bits are; NaN is the same as NaN.
"""

import hashlib
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors

Series = Sequence[tuple[float, float]]
"""(step, value) of the points of a metric."""


@dataclass(frozen=True)
class Tolerance:
    """How far a metric may be from itself where processor, thread count, versions or code are other ones.

    |a - b| <= absolute + relative * max(|a|, |b|)
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.absolute:g}"] if self.absolute else []
        parts += [f"{self.relative:.2g} of the value"] if self.relative else []
        return " + ".join(parts) or "0"

    def allows(self, a: float, b: float) -> bool:
        """Return whether two values are near enough; a number and NaN never are."""
        return _same(a, b) or abs(a - b) <= self.absolute + self.relative * max(abs(a), abs(b))


TOLERANCES = {
    "pretrain/lr": Tolerance(relative=1e-6),  # schedules, and what the order of images alone decides
    "pretrain/lambda": Tolerance(relative=1e-6),
    "partners/chance*": Tolerance(relative=1e-6),
    "pretrain/collapsed": Tolerance(),
    "finetune/*/train_loss": Tolerance(relative=0.3),  # of single batches
    "pretrain/*": Tolerance(relative=0.05),
    "partners/gradient_norm_spread": Tolerance(relative=0.25),
    "partners/*/hub_max": Tolerance(relative=0.3),
    "partners/*": Tolerance(absolute=0.05),  # shares of partners
    "*/knn/*": Tolerance(absolute=0.1),
    "*/accuracy": Tolerance(absolute=0.4),  # with balanced class weights it is nobody's aim
    "*": Tolerance(absolute=0.15),
}
"""By metric, the first pattern that fits [us].

They are wide because training is chaotic: one bit grows into what another seed would give. At the scale smoke, one and
three epochs of byol_tracin on DermaMNIST with two threads for one, or without vector instructions, differed by up to
0.043 of the losses and feature_std, 0.12 of the spread and 0.21 of the hubs, 0.03 in shares of partners, 0.063 in
kNN's metrics, 0.34 in accuracy after training on labels, 0.12 in its other metrics, and 0.26 of its training loss.
"""

COMPUTED = ("views.pictures.npz: first", "views.pictures.npz: second", "partners.pictures.npz: */*")
"""Stored arrays of whole numbers that are computed, as scores and weights are; all others are taken from the data."""

COMPUTING = (
    "device",
    "device_type",
    "processor",
    "instructions",
    "libc",
    "threads",
    "python",
    *("torch", "torchvision", "kornia", "lightly", "numpy", "scikit-learn", "scipy"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
"""Facts of the provenance on which bits depend."""


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


@dataclass(frozen=True)
class Change:
    """One thing of the surroundings that was otherwise; `computes` if bits depend on it."""

    what: str
    then: str
    now: str
    computes: bool

    def __str__(self) -> str:
        return f"{self.what} {self.then} then, {self.now} now"


LABELS = {
    "cores": "usable cores",
    "device_type": "kind of device",
    "image_id": "container image",
    "instructions": "vector instructions",
    "libc": "C library",
    "lock_sha256": "uv.lock",
    "python": "Python",
    "threads": "threads of torch",
}
"""What facts of the provenance are called where their key does not say it."""


def tolerance_of(metric: str) -> Tolerance:
    """Return the tolerance of a metric."""
    return next(tolerance for pattern, tolerance in TOLERANCES.items() if fnmatchcase(metric, pattern))


def compare_series(metric: str, then: Series, now: Series) -> Difference | None:
    """Return in what two series differ, point by point; None if in nothing. A series that is not there is empty.

    Points belong together by their step; where a step has several, by their order.
    """
    before, after = _by_step(then), _by_step(now)
    tolerance, points, near = tolerance_of(metric), [], True
    for key in sorted(before.keys() | after.keys()):
        a, b = before.get(key), after.get(key)
        if a is None or b is None or not _same(a, b):
            points.append(Point(f"step {_step(key[0])}", _text(a), _text(b), _gap(a, b)))
            near = near and a is not None and b is not None and tolerance.allows(a, b)
    if not points:
        return None
    of = len(before.keys() | after.keys())
    return Difference(f"metric {metric}", len(points), of, points[0], max(points, key=gap_of), near)


def compare_array(name: str, then: np.ndarray | None, now: np.ndarray | None) -> Difference | None:
    """Return in what two arrays differ, place by place; None if in nothing. An array that is not there is None."""
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
    point = Point("", _said(then), _said(now), None)
    return Difference(name, 1, 1, point, point, False)


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Return what differs between two provenances, commit and sources aside: first that on which bits depend.

    What only one of them recorded is no change: see `recorded_once`.
    """
    before, after = _flat(then), _flat(now)
    if (
        before.get("device_type") == after.get("device_type") == "cpu"
        and "processor" in before
        and "processor" in after
    ):
        before.pop("device", None)  # the processor says it better
    told = before.get("OMP_NUM_THREADS") and after.get("OMP_NUM_THREADS")
    found = []
    for key in (key for key in before if key in after and before[key] != after[key]):
        # Libraries that are not told how many threads to take go by the cores.
        computes = key in COMPUTING or (key == "cores" and not told)
        found.append(Change(LABELS.get(key, key), _said(before[key]), _said(after[key]), computes))
    return sorted(found, key=lambda change: not change.computes)


def recorded_once(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the facts that only one of two provenances recorded: whether they were the same cannot be told."""
    before, after = _flat(then), _flat(now)
    return [LABELS.get(key, key) for key in {**before, **after} if (key in before) != (key in after)]


def _npz(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


READERS: dict[str, Callable[[bytes], dict[str, np.ndarray]]] = {".npz": _npz, ".safetensors": load_tensors}
"""By ending."""


def _flat(provenance: Mapping[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in provenance.items() if k not in ("commit", "dirty", "versions", "thread_settings")}
    return {**rest, **provenance.get("thread_settings", {}), **provenance.get("versions", {})}


def _said(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text[:12] if len(text) == 64 else text  # a hash


def _by_step(series: Iterable[tuple[float, float]]) -> dict[tuple[float, int], float]:
    found: dict[tuple[float, int], float] = {}
    times: dict[float, int] = {}
    for step, value in series:
        times[step] = times.get(step, -1) + 1
        found[step, times[step]] = value
    return found


def _same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))


def _gap(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else _finite(abs(a - b))


def _finite(gap: float) -> float | None:
    return float(gap) if math.isfinite(gap) else None


def _step(step: float) -> str:
    return str(int(step)) if step == int(step) else repr(step)


def _text(value: float | None) -> str:
    return "missing" if value is None else repr(float(value))
