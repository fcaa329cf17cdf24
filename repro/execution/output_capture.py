"""What a run writes to standard output and error, kept for its record while the terminal still gets it.

Sacred's own capture loses what was written between the last heartbeat and a failure, and its heartbeat moves the place
where the run writes (sacred #800, #755).
"""

import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

HALF = 25_000
"""Characters kept of each end [us]: the whole goes into the run's document again whenever a line is new."""

CUT = "\n[... %d characters are left out here ...]\n"


class Captured:
    """Text as a terminal would show it in the end: of a line that was written over (a progress bar) the last state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin, self._line = "", ""
        self._end: deque[str] = deque()
        self._end_length = self._left_out = 0

    def write(self, text: str) -> None:
        """Take in what is written; any thread may."""
        with self._lock:
            # What is no text (a file name of another encoding) no database could store.
            text = text.encode(errors="replace").decode()
            *lines, self._line = (self._line + text).split("\n")
            for line in lines:
                self._keep(_as_shown(line) + "\n")
            pending = "\r" if self._line.endswith("\r") else ""  # what comes next writes over the line
            self._line = _as_shown(self._line)[-HALF:] + pending

    def text(self) -> str:
        """Return what was written so far: all of it, or its two ends."""
        with self._lock:
            cut = CUT % self._left_out if self._left_out else ""
            return self._begin + cut + "".join(self._end) + _as_shown(self._line)

    def _keep(self, line: str) -> None:
        if not self._end and len(self._begin) + len(line) <= HALF:
            self._begin += line
            return
        self._end.append(line[-HALF:])
        self._end_length += len(self._end[-1])
        self._left_out += len(line) - len(self._end[-1])
        while self._end_length > HALF:
            dropped = len(self._end.popleft())
            self._end_length -= dropped
            self._left_out += dropped


class _Tee:
    """A stream that also writes to a `Captured`; in all else it is the stream."""

    def __init__(self, stream: TextIO, captured: Captured) -> None:
        self._stream, self._captured = stream, captured

    def write(self, text: str) -> int:
        self._captured.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def capturing() -> Iterator[Captured]:
    """Yield what is written to `sys.stdout` and `sys.stderr` meanwhile. Progress bars go past both."""
    captured, before = Captured(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = (_Tee(stream, captured) for stream in before)
    try:
        yield captured
    finally:
        sys.stdout, sys.stderr = before


def _as_shown(line: str) -> str:
    """Return a line without what a carriage return has written over."""
    return line.rstrip("\r").rpartition("\r")[2]
