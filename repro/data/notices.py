"""Messages that are logged once per process, or once per runs folder."""

import functools
import hashlib
import logging
from pathlib import Path

from repro.data.folder import prepared_folder

log = logging.getLogger("repro.data")


def once(level: int, message: str) -> None:
    """Log a message, unless this process has done so."""
    _log(level, message, prepared_folder())


def once_for_all(message: str) -> None:
    """Log a warning, unless a process has done so that keeps its runs in the same folder."""
    said = prepared_folder().parent / "said" / hashlib.sha256(message.encode()).hexdigest()[:16]
    if said.exists():
        return
    once(logging.WARNING, message)
    try:
        said.parent.mkdir(parents=True, exist_ok=True)
        said.write_text(message + "\n")
    except OSError:  # then the next process says it again
        return


@functools.cache
def _log(level: int, message: str, _: Path) -> None:
    log.log(level, "%s", message)
