"""The folders that the kit reads and writes, and what the storage below them can do."""

import errno
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from repro import locks
from repro.doctor.finding import DOORS, Finding, failing, note
from repro.errors import InputError
from repro.files import sync_names
from repro.store.address import named_address

TITLE = "folders"

WRITTEN = {"REPRO_RUNS": ("runs", DOORS), "REPRO_RESULTS": ("results", ("figures",))}
"""Variable -> default, and which commands write there. Images may be read-only."""

LEAST, ENOUGH = 200e6, 5e9
"""Bytes free below which a run fails, and from which even a long study has room [us]."""

FEWEST_NAMES = 1000
"""Files that a run and its record make, sources included."""

REMOTE = ("nfs", "cifs", "smb", "fuse", "lustre", "gpfs", "beegfs", "ceph", "9p", "virtiofs", "afs")
"""How the kinds of storage begin that are reached through a network or another program."""


def findings() -> Iterator[Finding]:
    """Yield whether each folder is there, has room, and can do what is asked of it."""
    yield _images()
    for variable, (default, stops) in WRITTEN.items():
        yield from _written(variable, Path(os.environ.get(variable) or default).absolute(), stops)


def _images() -> Finding:
    folder = Path(os.environ.get("REPRO_DATA") or "data").absolute()
    if not folder.exists():
        return note(f"REPRO_DATA {folder} is not there", "`python -m repro.data fetch NAME` makes it")
    if not os.access(folder, os.R_OK | os.X_OK):
        cure = "Change its permissions, or set REPRO_DATA to another folder"
        return failing(f"REPRO_DATA {folder} may not be read", cure, ("run", "reproduce"))
    return Finding(f"REPRO_DATA {folder} can be read{'' if os.access(folder, os.W_OK) else ', not written to'}")


def _written(variable: str, folder: Path, stops: tuple[str, ...]) -> Iterator[Finding]:
    elsewhere = f"Point {variable} to a folder of your own"
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        # What storage can do is tried in the folder itself, or in the one where it would be made.
        with tempfile.TemporaryDirectory(dir=there, prefix=".doctor-") as name:
            lacking = _lacking(Path(name))
            locks.check(Path(name))
    except InputError:
        if variable == "REPRO_RUNS":
            reading = stops if named_address() is None else ("run", "reproduce")
            cure = f"Point {variable} to a local disk (NFS needs lockd, Lustre the mount option flock)"
            yield failing(f"{variable} {folder} is on storage without file locks", cure, reading)
        return
    except OSError as error:
        if error.errno == errno.ENOSPC:
            yield failing(f"{variable} {folder}: no space left", "Make room there", stops)
        else:
            yield failing(f"{variable} {folder} cannot be written to ({error.strerror})", elsewhere, stops)
        return
    about = os.statvfs(there)
    free, kind = about.f_bavail * about.f_frsize, _kind(there)
    what = f"{variable} {folder}: {free / 1e9:.1f} GB free{f' on {kind}' if kind else ''}"
    if free < LEAST:
        yield failing(f"{what}, less than a run's record needs", "Make room there", stops)
    elif about.f_files > 0 and about.f_favail < FEWEST_NAMES:
        yield failing(f"{what}, but room for {about.f_favail} more files only", "Delete some", stops)
    elif free < ENOUGH and variable == "REPRO_RUNS":
        yield note(what, "A long study may fill it")
    else:
        yield Finding(f"{what}; locks, links and fsync of folders" if not lacking else what)
    if lacking and variable == "REPRO_RUNS":
        yield note(f"{variable} {folder} has {' and '.join(lacking)}; records are safe anyway",
                   "After a power cut the last seconds may be missing")  # fmt: skip
    if variable == "REPRO_RUNS" and kind.startswith(REMOTE):
        yield note(f"{variable} {folder} is on {kind}, where a database is slow", "Use a local disk")


def _lacking(folder: Path) -> list[str]:
    """Return what the storage cannot do that the kit does without."""
    lacking = []
    file = folder / uuid.uuid4().hex
    file.write_bytes(b"x")
    try:
        os.link(file, folder / "link")
    except OSError:
        lacking.append("no hard links")
    if not sync_names(folder):
        lacking.append("no fsync of folders")
    return lacking


def _kind(folder: Path) -> str:
    """Return what kind of storage a folder is on, as the system calls it; empty where it does not tell."""
    table, best = Path("/proc/self/mounts"), ("", "")
    for line in table.read_text().splitlines() if table.exists() else ():
        _, place, kind = line.split()[:3]
        place = place.replace("\\040", " ")
        if folder.is_relative_to(place) and len(place) >= len(best[0]):
            best = place, kind
    return best[1]
