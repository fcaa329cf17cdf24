"""SIGTERM and Ctrl-C end a process also where it waits inside a library, for another process that does not answer."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

SECONDS_TO_LEAVE = 30.0
"""How long after a signal the process may still be inside before it is ended [us]; torchrun itself waits as long."""

STOPPED = 130
"""Exit code of whoever is stopped."""


@contextlib.contextmanager
def ended_by_signals(seconds: float | None = None) -> Iterator[None]:
    """End this process if, so long after SIGTERM or SIGINT, it is still in here: Python's own handler did not run.

    Python calls handlers between two of its own steps, and a collective operation of torch is one step, however long.
    Nothing is lost: the journal and the last checkpoint are on the disk.

    Args:
        seconds: how long it may still be inside (default: `SECONDS_TO_LEAVE`).
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    limit = SECONDS_TO_LEAVE if seconds is None else seconds
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    left = threading.Event()

    def watch() -> None:
        while number := os.read(reader, 1):
            if number[0] in (signal.SIGTERM, signal.SIGINT) and not left.wait(limit):
                os._exit(STOPPED)

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
        watcher.join()
        os.close(reader)
