"""How many cores there are, and what else runs on them."""

import os
from collections.abc import Iterator
from pathlib import Path

from repro.doctor.finding import Finding, note

TITLE = "cores"


def findings(root: Path = Path("/")) -> Iterator[Finding]:
    """Yield how many cores this process may use, and how busy they are.

    Args:
        root: below which the system's `sys` is.
    """
    seen = os.cpu_count() or 1
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else seen)
    cores = min(cores, _share(root))
    fewer = f" of {seen}" if cores < seen else ""
    what = f"{cores:g}{fewer} cores may be used"
    busy = os.getloadavg()[0]
    if busy > 0.5 * seen:
        yield note(
            f"{what}; over the last minute {busy:.1f} other threads wanted one of {seen}",
            "Runs take longer beside them, and benchmarks mislead; their numbers stay the same",
        )
    else:
        yield Finding(f"{what}, {busy:.1f} of {seen} busy over the last minute")


def _share(root: Path) -> float:
    """Return how many cores' time a container may take; infinity without a limit."""
    groups = root / "sys/fs/cgroup"
    try:
        quota, period = (groups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (groups / "cpu" / f"cpu.cfs_{word}_us").read_text().strip() for word in ("quota", "period")
            )
        except OSError:
            return float("inf")
    return int(quota) / int(period) if quota.isdecimal() else float("inf")
