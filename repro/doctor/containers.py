"""Docker: only `docker compose up` needs it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from repro import machine
from repro.doctor.finding import Finding, note

TITLE = "Docker"

INSIDE = (".dockerenv", "run/.containerenv")
"""Files that Docker and Podman put into every container."""


def findings(root: Path = machine.ROOT) -> Iterator[Finding]:
    """Yield which engine and compose answer.

    Args:
        root: where the system's files are.
    """
    if any((root / file).exists() for file in INSIDE):
        yield Finding("this is a container, and needs no engine of its own")
        return
    if shutil.which("docker") is None:
        yield Finding("not installed, so no `docker compose up`; `make demo` needs none")
        return
    engine = _said("docker", "version", "--format", "{{.Server.Version}}")
    if not engine:
        yield note("installed, but no engine answers", "Start it, or join the group `docker`; `make demo` needs none")
        return
    plugin = _said("docker", "compose", "version", "--short") or _said("docker-compose", "version", "--short")
    if not plugin:
        yield note(f"engine {engine}, without compose", "Install the compose plugin")
    elif (found := re.match(r"v?(\d+)", plugin)) and int(found[1]) < 2:
        yield Finding(f"engine {engine}, compose {plugin}: type `docker-compose` for `docker compose`")
    else:
        yield Finding(f"engine {engine}, compose {plugin}")


def _said(*line: str) -> str:
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
