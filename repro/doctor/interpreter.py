"""Which Python on which platform this is, and whether the lock has packages for it."""

import functools
import importlib.metadata
import importlib.util
import platform
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repro.doctor.finding import Finding, failing, note
from repro.store.address import named_address

TITLE = "Python"

ROOT = Path(__file__).resolve().parents[2]

LEAST = (3, 11)

COMPILED = ("torch", "secantusdb")
"""Packages that come ready-made for some Pythons and platforms only; all else follows them."""

SYSTEMS = {"manylinux": "Linux", "macosx": "macOS"}
"""Systems with POSIX locks, where the kit runs."""


def findings() -> Iterator[Finding]:
    """Yield what is known of Python, the platform, and the packages that are installed."""
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < LEAST:
        yield failing(f"{here} is too old", "Use Python 3.11 or newer: `make PYTHON=python3.11 setup`")
        return
    locked = _locked(ROOT / "uv.lock")
    if not locked:
        yield note(f"{here}; there is no uv.lock here, so versions are not compared")
    else:
        yield from _fits(here, locked)
        yield from _versions(locked)
    if sys.flags.optimize:
        yield note("Python runs with -O, which leaves out the checks that the code relies on", "Unset PYTHONOPTIMIZE")
    if named_address() is None and importlib.util.find_spec("secantus") is None:
        yield failing(
            "no run database: REPRO_MONGO_URI is not set, and the embedded server is not installed",
            "Run `make setup`, or set REPRO_MONGO_URI to a MongoDB",
        )


@functools.cache
def _locked(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Return a lock's entries by name: several where versions differ between Pythons."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for package in tomllib.loads(file.read_text())["package"] if file.exists() else []:
        found[package["name"]].append(package)
    return found


def _fits(here: str, locked: dict[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    from packaging.tags import sys_tags
    from packaging.utils import parse_wheel_filename

    ours, lacking, offers = set(sys_tags()), [], []
    for name in COMPILED:
        files = [wheel["url"].rpartition("/")[2] for one in locked[name] for wheel in one.get("wheels", [])]
        tags = {tag for file in files for tag in parse_wheel_filename(file)[3]}
        if not tags & ours:
            lacking.append(name)
        offers.append({offer for tag in tags if (offer := _offer(tag.interpreter, tag.platform)) is not None})
    pythons, systems = zip(*set.intersection(*offers), strict=True)
    said = f"Python 3.{min(pythons)} to 3.{max(pythons)} on {', '.join(sorted(set(systems)))}"
    if lacking:
        yield failing(f"{here}: the lock has no {' and no '.join(lacking)} for it", f"It has them for {said}")
    else:
        yield Finding(f"{here}; the lock has packages for {said}")


def _offer(python: str, place: str) -> tuple[int, str] | None:
    """Return (minor version, system) that a file is for; None for other Pythons and systems."""
    minor, machine = re.fullmatch(r"cp3(\d+)", python), re.search(r"(x86_64|aarch64|arm64)$", place)
    system = next((name for prefix, name in SYSTEMS.items() if place.startswith(prefix)), None)
    return (int(minor[1]), f"{system} {machine[1]}") if minor and machine and system else None


def _versions(locked: dict[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    (root,) = (one for entries in locked.values() for one in entries if "virtual" in one["source"])
    other, missing = [], []
    for name in dict.fromkeys(needed["name"] for needed in root["dependencies"]):
        wanted = [one["version"] for one in locked[name]]
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
        else:
            if version.split("+")[0] not in wanted:
                other.append(f"{name} {version}, not {' or '.join(wanted)}")
    if missing:
        yield failing(f"not installed: {', '.join(missing)}", "Run `make setup`, and use .venv/bin/python")
    if other:
        yield note(f"other versions than the lock's: {', '.join(other)}", "Numbers may differ; run `make setup`")
