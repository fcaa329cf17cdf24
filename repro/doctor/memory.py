"""How much memory there is, in a container or a job of a cluster too."""

import os
from collections.abc import Iterator
from pathlib import Path

from repro import machine
from repro.doctor.finding import Finding, failing, note

TITLE = "memory"

LEAST = 1.0e9
"""Bytes that a run takes before it has read an image: torch alone is 0.6 GB."""

ENOUGH = 4e9
"""Bytes with which every scale below `paper` runs [us]."""

SHARED = 1e9
"""Bytes of /dev/shm that Ray asks for; a container gets 64 MB by default."""


def findings(root: Path = Path("/")) -> Iterator[Finding]:
    """Yield how much memory is free.

    Args:
        root: below which the system's `proc` and `sys` are.
    """
    table = root / "proc/meminfo"
    if not table.exists():
        yield note("how much is free cannot be told on this system")
        return
    lines = dict(line.split(":", 1) for line in table.read_text().splitlines() if ":" in line)
    total, free = (1024 * int(lines[key].split()[0]) for key in ("MemTotal", "MemAvailable"))
    limited = ""
    for allowed, left in machine.limits(root):
        if allowed < total:
            total, limited = allowed, ", as its control group allows"
        free = min(free, left)
    what = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free{limited}"
    if free < LEAST:
        cure = "Stop something else, or give the container or job more"
        yield failing(f"{what}; a run takes at least {LEAST / 1e9:.0f} GB", cure, ("run", "reproduce"))
    elif free < ENOUGH:
        yield note(what, "One run at a time, and small images")
    else:
        yield Finding(what)
    yield from _shared(root)


def _shared(root: Path) -> Iterator[Finding]:
    folder = root / "dev/shm"
    if folder.is_dir():
        about = os.statvfs(folder)
        if about.f_bavail * about.f_frsize < SHARED:
            size = about.f_bavail * about.f_frsize / 1e6
            yield note(
                f"{size:.0f} MB of shared memory (/dev/shm), little for --engine ray", "`docker run --shm-size 2g`"
            )
