"""Locks on files: the kernel gives them back however the process ends. Some network and cloud storage has none."""

import contextlib
import errno
import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

from repro.errors import InputError

UNABLE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""What storage without locks answers: NFS without lockd, Lustre mounted without `flock`, some FUSE."""

PLACES = {"REPRO_RUNS": "runs", "REPRO_DATA": "data"}
"""Variables that name a folder, and their defaults."""


def lock(file: int | IO, path: Path, shared: bool = False, wait: bool = True) -> None:
    """Lock an open file until it is closed.

    Args:
        file: open for writing, which NFS asks for.
        path: what it is called.
        shared: whether others may share it.
        wait: whether to wait until it is free.

    Raises:
        BlockingIOError: another process has it, and `wait` is false.
        InputError: the storage has no locks.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, kind)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        raise InputError(
            f"{path.parent} is on storage without file locks ({error.strerror}), which keep two processes from writing "
            f"the same thing. Point {_variable(path)} to a local disk (NFS needs lockd, Lustre the mount option flock)"
        ) from None


def check(folder: Path) -> None:
    """Raise InputError if files in a folder cannot be locked."""
    with contextlib.suppress(FileNotFoundError), tempfile.NamedTemporaryFile(dir=folder, prefix=".lock-") as file:
        lock(file, Path(file.name))


def _variable(path: Path) -> str:
    for name, default in PLACES.items():
        if path.is_relative_to(Path(os.environ.get(name) or default).absolute()):
            return name
    return "it"
