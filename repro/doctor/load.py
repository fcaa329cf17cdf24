"""How many cores there are, and what else runs on them."""

import os
from collections.abc import Iterator

from repro import machine
from repro.doctor.finding import Finding, note

TITLE = "cores"


def findings() -> Iterator[Finding]:
    """Yield how many cores this process may use, and how busy they are."""
    cores, seen = machine.cores(), os.cpu_count() or 1
    what = f"{cores}{f' of {seen}' if cores < seen else ''} cores may be used"
    busy = os.getloadavg()[0]
    if busy > 0.5 * seen:
        yield note(
            f"{what}; over the last minute {busy:.1f} threads wanted them",
            "Runs take longer and benchmarks are unreliable; scores stay the same",
        )
    else:
        yield Finding(f"{what}, {busy:.1f} of {seen} busy over the last minute")
