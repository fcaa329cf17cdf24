"""A run's record on the local disk: every event, in order, before it goes to the database."""

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bson import json_util

from repro.errors import InputError
from repro.files import sync_names
from repro.locks import lock

Entry = dict[str, Any]

HIDDEN = "."
"""How the name of a journal begins that is being made, or removed."""


class Journal:
    """An append-only file of entries, one extended-JSON line each, with the files they mention beside it.

    What `append` returned from is on the disk (fsync), and so are the names it is found by. Whoever has the journal
    open owns it: nobody else can open it until that process has ended, however it ended.

    `length` is the number of bytes that are safely on the disk.

    Args:
        folder: one that `begin` made.

    Raises:
        BlockingIOError: another process owns it.
        InputError: the storage has no locks.
        FileNotFoundError: it is gone; another process has delivered it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._owner = os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(self._owner, folder / "owner.lock", wait=False)
        except (BlockingIOError, InputError):
            os.close(self._owner)
            raise
        self._lock = threading.Lock()
        self._unwritten: list[str] = []
        self._path = folder / "journal.jsonl"
        try:
            self._file: BinaryIO = self._path.open("ab")
        except BaseException:
            os.close(self._owner)
            raise
        sync_names(folder)
        self.length = self._path.stat().st_size

    @classmethod
    def begin(cls, folder: Path) -> "Journal":
        """Make a new journal. It is owned before it has its name, so that nobody takes it for one that was left."""
        hidden = folder.with_name(f"{HIDDEN}{folder.name}")
        _make_folder(hidden)
        journal = cls(hidden)
        hidden.rename(folder)
        sync_names(folder.parent)
        journal.folder, journal._path = folder, folder / journal._path.name
        return journal

    def append(self, *entries: Entry) -> None:
        """Add entries. On a full disk they wait in memory for the next call, and OSError is raised."""
        with self._lock:
            self._unwritten += [json_util.dumps(e, json_options=json_util.CANONICAL_JSON_OPTIONS) for e in entries]
            content = "".join(line + "\n" for line in self._unwritten).encode()
            try:
                self._file.write(content)
                self._file.flush()
                os.fsync(self._file.fileno())
            except (OSError, ValueError) as error:  # ValueError: it could not be opened again the last time
                self._drop_half_written()
                raise error if isinstance(error, OSError) else OSError(errno.EIO, str(error)) from None
            self.length += len(content)
            self._unwritten.clear()

    def keep_file(self, source: Path, sync: bool = True) -> str:
        """Copy a file into the journal's folder, as `files/SHA-256`, and return its SHA-256.

        With `sync=False` its content is on the disk and its name is not, until `sync_files` is called.
        """
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
        kept = self._files / sha256
        if not kept.exists():
            _make_folder(self._files)
            partial = kept.with_suffix(".partial")
            shutil.copyfile(source, partial)
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            partial.rename(kept)
            if sync:
                self.sync_files()
        return sha256

    def sync_files(self) -> None:
        """Put the names of all files kept on the disk."""
        if self._files.exists():
            sync_names(self._files)

    @property
    def _files(self) -> Path:
        return self.folder / "files"

    def entries(self, start: int = 0) -> Iterator[tuple[Entry, int]]:
        """Yield (entry, offset after it) from byte offset `start`; a half-written last line is no entry."""
        with self._path.open("rb") as lines:
            lines.seek(start)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                yield json_util.loads(line.decode(), json_options=json_util.CANONICAL_JSON_OPTIONS), start

    def close(self, delete: bool) -> None:
        """Give up ownership; with `delete`, remove it: everything in it stands in the database."""
        self._file.close()
        if delete:
            # Out of sight first, so that nobody finds a part of it.
            hidden = self.folder.with_name(f"{HIDDEN}{self.folder.name.removeprefix(HIDDEN)}")
            with contextlib.suppress(OSError):
                self.folder.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)
        os.close(self._owner)

    def _drop_half_written(self) -> None:
        """Cut off what a failed write left half done, so that a retry cannot write a line twice."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            os.truncate(self._path, self.length)
        with contextlib.suppress(OSError):
            self._file = self._path.open("ab")


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, so that a power cut takes none of them back."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_names(folder.parent)
