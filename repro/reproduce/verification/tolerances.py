"""Tolerances of metrics when processor, threads or versions differ."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase


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
        """Return whether two values are near enough; a number and NaN, or infinity, never are."""
        near = abs(a - b) <= self.absolute + self.relative * max(abs(a), abs(b))
        return same(a, b) or (near and math.isfinite(a) and math.isfinite(b))


TOLERANCES = {
    "pretrain/lr": Tolerance(relative=1e-6),  # schedules, and what the order of images alone decides
    "pretrain/lambda": Tolerance(relative=1e-6),
    "partners/chance*": Tolerance(relative=1e-6),
    "pretrain/collapsed": Tolerance(),
    "finetune/*/train_loss": Tolerance(relative=0.3),  # of single batches
    "pretrain/*": Tolerance(relative=0.05),
    "probe/rank_*": Tolerance(relative=0.3),
    "probe/uniformity": Tolerance(absolute=0.5),
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


def tolerance_of(metric: str) -> Tolerance:
    """Return the tolerance of a metric."""
    return next(tolerance for pattern, tolerance in TOLERANCES.items() if fnmatchcase(metric, pattern))


def same(a: float, b: float) -> bool:
    """Return whether all bits of two values are the same; NaN is the same as NaN."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
