"""How much memory is free, in a container or a job of a cluster too."""

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


def findings(root: Path = machine.ROOT) -> Iterator[Finding]:
    """Yield how much memory is free.

    Args:
        root: below which the system's `proc`, `sys` and `dev` are.
    """
    free = machine.memory(root)
    if free is None:
        yield note("how much is free cannot be told on this system")
        return
    what = f"{free / 1e9:.1f} GB free to this process"
    if free < LEAST:
        cure = "Stop something else, or give the container or job more"
        yield failing(f"{what}; a run takes at least {LEAST / 1e9:.0f} GB", cure, ("run", "reproduce"))
    elif free < ENOUGH:
        yield note(what, "One run at a time (`--jobs 1`), and small images")
    else:
        yield Finding(what)
    shared = root / "dev/shm"
    if shared.is_dir():
        about = os.statvfs(shared)
        if (size := about.f_bavail * about.f_frsize) < SHARED:
            what = f"{size / 1e6:.0f} MB of shared memory (/dev/shm), little for --engine ray"
            yield note(what, "`docker run --shm-size 2g`")
