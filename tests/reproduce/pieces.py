"""Pieces of work for processes of their own. What they import is light, and so soon there."""

import logging
import os
import time
from pathlib import Path

from repro.progress import Progress


def answer(number: int) -> int:
    return 2 * number


def environment(name: str) -> str | None:
    return os.environ.get(name)


def note_and_wait(folder: str, name: str) -> str:
    """Say that we are there, and wait for ever; when stopped, save our work."""
    Path(folder, name).write_text(str(os.getpid()))
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        time.sleep(0.5)  # a second signal must not disturb this
        Path(folder, f"{name}.saved").touch()
        raise
    return ""


def meet(folder: str, name: str, other: str) -> str:
    """Return when the other is there too."""
    Path(folder, name).touch()
    for _ in range(600):
        if Path(folder, other).exists():
            return "met"
        time.sleep(0.1)
    return "alone"


def train(steps: int) -> str:
    """Do something that takes two seconds, and tell how far it is."""
    logging.getLogger("pieces").info("begun")
    with Progress("work", steps, images=10) as progress:
        for _ in range(steps):
            time.sleep(0.1)
            progress.advance()
    return ""
