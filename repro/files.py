"""Files that a person asked for: there whole, or not at all."""

import contextlib
import errno
import os
from pathlib import Path

from repro.errors import InputError

UNABLE = (errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""What storage answers that cannot put a folder's names on the disk by themselves: CIFS, some FUSE."""


def sync_names(folder: Path) -> bool:
    """Put the names in a folder on the disk: fsync of a file saves its content, not the name that leads to it.

    Returns:
        Whether the storage can. Where it cannot, it writes names as it does files, and there is no more to ask of it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def write_whole(file: Path, content: bytes, make_folder: bool = False) -> None:
    """Write a file under another name first, so that its own name never stands for half of it.

    Args:
        file: where.
        content: what.
        make_folder: whether its folder is made if need be.

    Raises:
        InputError: it cannot be written; nothing is left of it.
    """
    partial = None
    try:
        partial = file.with_name(file.name + ".partial")
        if make_folder:
            file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.rename(file)
    except (OSError, ValueError) as error:  # "." has no name
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {file}: {why}. Name a file, in a place you may write to") from None
