"""Work side by side on one machine: each piece in a process of its own, forked from one that has imported the kit.

A process that dies takes nothing with it but its own piece. None outlives this one, however it ends.
"""

import gc
import logging
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Protocol, Self

from repro import machine, progress
from repro.reproduce.engines.progress_board import Board

STOP_SECONDS = 110.0
"""How long a piece that is stopped may take to save its work [us]: a container is given two minutes."""

MEMORY = 400_000_000
"""Bytes that a process needs for itself before any has shown more: cells of smoke and medmnist take 250 MB [us]."""

PRELOADED = ("repro.execution.experiment", "repro.reproduce.engines.local", "repro.reproduce.verification.verify")
"""What the processes share, having been forked after it was imported: memory, and the code as it was then, even if that
is updated while they work."""


@dataclass(frozen=True)
class Ended:
    """A piece that has ended.

    Args:
        key: which.
        outcome: what its function returned.
        death: how its process ended if that returned nothing; else empty.
    """

    key: str
    outcome: Any = None
    death: str = ""


class Workers(Protocol):
    """Who does pieces of work: this process, or several others."""

    @property
    def running(self) -> list[str]:
        """Keys of the pieces that were begun and have not been reported as ended."""

    def room(self) -> bool:
        """Whether one more can begin now."""

    def start(self, key: str, title: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Begin a piece: a function and what it is called with."""

    def ended(self, seconds: float) -> list[Ended]:
        """Wait for pieces to end, at most so long, and return those that did."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Here:
    """This process, one piece after the other."""

    def __init__(self) -> None:
        self._ended: list[Ended] = []

    @property
    def running(self) -> list[str]:
        """As `Workers`."""
        return [each.key for each in self._ended]

    def room(self) -> bool:
        """As `Workers`."""
        return not self._ended

    def start(self, key: str, title: str, function: Callable[..., Any], *arguments: Any) -> None:
        """As `Workers`; returns when the piece has ended."""
        self._ended.append(Ended(key, function(*arguments)))

    def ended(self, seconds: float) -> list[Ended]:
        """As `Workers`."""
        found, self._ended = self._ended, []
        return found

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...


@dataclass
class _Piece:
    title: str
    process: Any
    outcome: Any = None
    has_outcome: bool = False
    memory: int = 0


class Pool:
    """Processes, as many at once as the limit says and as free memory allows.

    Args:
        limit: how many at most: a number, or what tells it, asked again and again.
        board: shows how they get on.
    """

    def __init__(self, limit: int | Callable[[], int], board: Board) -> None:
        self._limit = limit if callable(limit) else lambda: limit
        self._board = board
        self._pieces: dict[Connection, _Piece] = {}
        self._keys: dict[Connection, str] = {}
        self._need, self._stopping = MEMORY, False
        self._context = _context()

    @property
    def running(self) -> list[str]:
        """As `Workers`."""
        return list(self._keys.values())

    def room(self) -> bool:
        """As `Workers`."""
        if not self._pieces:
            return True
        if len(self._pieces) >= self._limit():
            return False
        for piece in self._pieces.values():
            piece.memory = max(piece.memory, machine.private(piece.process.pid))
        used = [piece.memory for piece in self._pieces.values()]
        self._need = max(self._need, *used)
        return fits(machine.memory(), self._need, used)

    def start(self, key: str, title: str, function: Callable[..., Any], *arguments: Any) -> None:
        """As `Workers`. The function, its arguments and what it returns are sent from process to process."""
        ours, theirs = self._context.Pipe(duplex=False)
        told = (theirs, dict(os.environ), title, function, *arguments)
        process = self._context.Process(target=_work, args=told, name=title, daemon=True)
        process.start()
        theirs.close()
        self._pieces[ours], self._keys[ours] = _Piece(title, process), key
        self._board.begin(key, title)

    def ended(self, seconds: float) -> list[Ended]:
        """As `Workers`."""
        until = time.monotonic() + seconds
        found: list[Ended] = []
        while self._pieces and not found and (left := until - time.monotonic()) > 0:
            for connection in wait(list(self._pieces), left):
                assert isinstance(connection, Connection)
                found += self._heard(connection)
            self._board.show()
        return found

    def stop(self) -> None:
        """Ask all to save their work and end; end those that do not in time, or all of them if we are interrupted."""
        self._stopping = True
        try:
            for piece in self._pieces.values():
                piece.process.terminate()
            until = time.monotonic() + STOP_SECONDS
            while self._pieces and time.monotonic() < until:
                self.ended(1.0)
        finally:
            for piece in self._pieces.values():
                piece.process.kill()
            for piece in self._pieces.values():
                piece.process.join()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.stop()
        finally:
            self._board.close()

    def _heard(self, connection: Connection) -> list[Ended]:
        """Take in what a process says; return its piece if that was its last word."""
        piece, key = self._pieces[connection], self._keys[connection]
        try:
            kind, content = connection.recv()
        except (EOFError, OSError):  # the process has ended
            piece.process.join()
            connection.close()
            del self._pieces[connection], self._keys[connection]
            self._board.end(key)
            return [Ended(key, piece.outcome, "" if piece.has_outcome else _death(piece.process.exitcode))]
        if kind == "outcome":
            piece.outcome, piece.has_outcome = content, True
        elif kind == "log":
            level, line = content
            if not self._stopping or level >= logging.ERROR:  # that they are stopped, whoever stops them says once
                self._board.say(line)
        else:
            self._board.note(key, content)
        return []


def _context() -> Any:
    """Return how processes are begun: not forked from this one, which has threads of the database driver."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    try:
        forkserver.ensure_running()  # it takes seconds to be ready; meanwhile we look at what is there
    except OSError:
        # It listens on a socket in TMPDIR, whose path is too long, or whose storage has none.
        return multiprocessing.get_context("spawn")
    return context


def fits(free: int | None, need: int, used: list[int]) -> bool:
    """Whether the memory is there for one more process.

    Args:
        free: bytes that are free now; None where nobody knows.
        need: bytes that a process needs for itself at most.
        used: what those at work have already taken of that.
    """
    owed = sum(max(0, need - each) for each in used)
    return free is None or free - owed >= need


def _death(code: int | None) -> str:
    """Say how a process ended."""
    if code is not None and code < 0:
        how = signal.Signals(-code).name
        return f"signal {how}, perhaps for lack of memory" if how == "SIGKILL" else f"signal {how}"
    return f"exit code {code}"


class _Teller(logging.Handler):
    """Tells the process that started us what is logged, and how far we are."""

    def __init__(self, connection: Connection, title: str) -> None:
        super().__init__()
        self._connection, self._title, self._turn = connection, title, threading.Lock()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.tell("log", (record.levelno, f"{self.format(record)}  [{self._title}]"))

    def tell(self, kind: str, content: Any) -> None:
        with self._turn:
            self._connection.send((kind, content))

    def note(self, how_far: progress.HowFar | None) -> None:
        """Tell how far we are, unless nobody has listened for long: the work must not wait for that."""
        with self._turn:
            _, writable, _ = select.select([], [self._connection.fileno()], [], 0)
            if writable:
                self._connection.send(("note", how_far))


def _work(
    connection: Connection, environment: Mapping[str, str], title: str, function: Callable[..., Any], *arguments: Any
) -> None:
    """Do a piece of work, as a process of its own."""
    gc.freeze()  # what we share with others is not looked through, and so stays shared
    parent = multiprocessing.parent_process()
    assert parent is not None
    end_with(parent.join)
    os.environ.clear()
    os.environ.update(environment)  # as it is now, not when the first process was forked
    teller = _Teller(connection, title)
    logging.basicConfig(handlers=[teller], level=logging.INFO, force=True)
    progress.tell(teller.note)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us was interrupted too, and tells us
        signal.signal(signal.SIGTERM, _stop)
        teller.tell("outcome", function(*arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)  # nobody is left to tell


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: the work is saved now
    raise KeyboardInterrupt


def end_with(wait_for: Callable[[], object]) -> None:
    """Kill this process once `wait_for` returns: whoever started it is no more."""

    def end() -> None:
        wait_for()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()
