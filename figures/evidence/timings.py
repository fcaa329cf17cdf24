"""Time and device of a run."""

import math

from figures.evidence.series import Run


def epoch_seconds(run: Run) -> float:
    """Return how long an epoch of pretraining took, in seconds; NaN where the run did not pretrain."""
    seconds = float(run["info"].get("timings", {}).get("pretrain_s", math.nan)) or math.nan
    return seconds / run["config"]["pretrain"]["epochs"]


def comparable_epoch_seconds(run: Run) -> float:
    """Return the seconds of an epoch that can be held against another run's; NaN where they are not stored.

    On a CPU they are processor time: other work on the machine, or a pause, stretches it less than time on the clock.
    """
    if run["info"].get("provenance", {}).get("device_type") == "cuda":
        return epoch_seconds(run)
    seconds = float(run["info"].get("timings", {}).get("pretrain_processor_s", math.nan)) or math.nan
    return seconds / run["config"]["pretrain"]["epochs"]


def core_hours(run: Run) -> float:
    """Return the processor time of pretraining and evaluation, in hours of one core; NaN where it is not stored."""
    timings = run["info"].get("timings", {})
    needed = ["pretrain_processor_s"] if "pretrain_s" in timings else []
    needed += ["evaluate_processor_s"] if "evaluate_s" in timings else []
    return sum(timings.get(name, math.nan) for name in needed) / 3600


def device_of(run: Run) -> str:
    """Return the name of the device that the run computed on."""
    return str(run["info"].get("provenance", {}).get("device", "unknown device"))
