"""Where a prepared set lies: found again while its files stay as they are, put there in one step, by one process."""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from repro.data.prepare.chunks import IMAGES, RECORD
from repro.files import sync_names
from repro.locks import lock

log = logging.getLogger("repro.data")

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Wanted:
    """What a prepared set is to be, without opening a single image.

    Args:
        name: the source's name.
        size: height and width in pixels.
        channels: 1 or 3.
        decoding: version of the decoding.
        files: "name" (below the folder that all have in common), "bytes" and "mtime_ns", a list per column.
        grey: black and white of files of more than 8 bits, as the user says; None where the files tell.
    """

    name: str
    size: int
    channels: int
    decoding: int
    files: dict[str, list[Any]]
    grey: tuple[float | None, float | None] = (None, None)

    def shape(self, fewer: int = 0) -> tuple[int, ...]:
        """Return the shape of the images if so many files show nothing."""
        return (len(self.files["name"]) - fewer, self.size, self.size, self.channels)

    @property
    def nbytes(self) -> int:
        """How much space the images take."""
        return int(np.prod(self.shape(), dtype=np.int64))

    def misfit(self, manifest: dict[str, Any]) -> str:
        """Return in what another set's manifest differs, in words; empty if in nothing."""
        for key in ("name", "size", "channels", "decoding"):
            if manifest[key] != getattr(self, key):
                return f"{key} was {manifest[key]}, and is {getattr(self, key)} now"
        if tuple(manifest["asked_grey"]) != self.grey:
            return f"black and white were {manifest['asked_grey']}, and are {[*self.grey]} now"
        columns = ("name", "bytes", "mtime_ns")
        before, now = (
            list(zip(*(files[c] for c in columns), strict=True)) for files in (manifest["files"], self.files)
        )
        if len(before) != len(now):
            return f"it was made from {len(before):,} files, and there are {len(now):,} now"
        changed = [new[0] for old, new in zip(before, now, strict=True) if old != new]
        return f"{len(changed):,} of its {len(now):,} files have changed, {changed[0]} the first" if changed else ""


@dataclass(frozen=True)
class CacheEntry:
    """The place of one prepared set: a folder, there only when finished, and what lies beside it."""

    folder: Path
    name: str

    @property
    def ready(self) -> Path:
        """The finished set: `IMAGES` and `MANIFEST`."""
        return self.folder / self.name

    @property
    def partial(self) -> Path:
        """What is not finished."""
        return self.folder / f"{self.name}.partial"

    @property
    def report(self) -> Path:
        """The list of corrupt files."""
        return self.folder / f"{self.name}.corrupt.txt"

    def found(self, wanted: Wanted) -> tuple[dict[str, Any] | None, str]:
        """Return the manifest of a finished set if it is what is wanted; else None, and why if there is one."""
        if not self.ready.exists():
            return None, ""
        try:
            manifest = json.loads((self.ready / MANIFEST).read_text())
            misfit = wanted.misfit(manifest)
            shape = np.load(self.ready / IMAGES, mmap_mode="r").shape
            if not misfit and shape != wanted.shape(len(manifest["corrupt"])):
                misfit = "it is damaged"
        except (ValueError, KeyError, TypeError, EOFError, FileNotFoundError):
            misfit = "it is damaged"
        return (None, misfit) if misfit else (manifest, "")

    @contextlib.contextmanager
    def turn(self) -> Iterator[IO]:
        """Wait until no other process prepares this set, keep others waiting meanwhile, and yield the locked file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.lock"
        with path.open("a") as file:
            try:
                lock(file, path, wait=False)
            except BlockingIOError:
                log.info("another process prepares %s; waiting for it", self.ready)
                lock(file, path)
            yield file

    def publish(self, manifest: dict[str, Any]) -> None:
        """Put what is in `partial` into its place, in one step unless something older is there."""
        with (self.partial / MANIFEST).open("w") as file:
            file.write(json.dumps(manifest))
            file.flush()
            os.fsync(file.fileno())
        sync_names(self.partial)
        older = self.folder / f"{self.name}.older"
        shutil.rmtree(older, ignore_errors=True)
        if self.ready.exists():
            self.ready.rename(older)
        self.partial.rename(self.ready)
        sync_names(self.folder)
        (self.ready / RECORD).unlink(missing_ok=True)
        self.report.unlink(missing_ok=True)
        shutil.rmtree(older, ignore_errors=True)
