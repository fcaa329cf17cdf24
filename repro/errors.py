"""Errors for users: one line each."""

import argparse
import difflib
import io
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NoReturn

LARGEST = 2**63
"""Whole numbers from here on are more than a run database can hold."""

BAD_INPUT = 2
"""Exit code of every front door when the input, not the kit, is at fault."""


class InputError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do."""


class BusyError(InputError):
    """Another process does exactly this now. Whoever can wait may try again later."""


class UnreachedError(InputError):
    """No run database answers. Whoever can wait may try again later."""


class StorageError(Exception):
    """A run is safe on the local disk but not, or not whole, in the run database. One line, exit code 1."""


class UndeliveredError(StorageError):
    """The end of a finished run's record is on the local disk alone, or could not be read back yet."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, too."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{message}; `{self.prog} --help` shows how")


def whole_number(least: int, most: int = LARGEST - 1) -> Callable[[str], int]:
    """Return what reads a whole number from `least` to `most` from the command line, for argparse."""

    def read(word: str) -> int:
        if not word.isdecimal() or not least <= int(word) <= most:
            allowed = f"at least {least}" if most == LARGEST - 1 else f"{least} to {most}"
            raise argparse.ArgumentTypeError(f"'{word}' is not a whole number, {allowed}")
        return int(word)

    return read


def positive(word: str) -> float:
    """Return a number above 0 from the command line, for argparse.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"'{word}' is not a number above 0")
    return number


def run_id(word: str) -> int:
    """Return the id of a run from the command line, for argparse.

    Raises:
        ArgumentTypeError: it can be none.
    """
    if not word.isdecimal() or not 0 < int(word) < LARGEST:
        raise argparse.ArgumentTypeError(f"'{word}' is no id of a run; `python -m repro.db check` lists them")
    return int(word)


def front_door(main: Callable[[list[str]], None]) -> None:
    """Call a command's main function with the command line, turning errors for people into one line.

    Exit codes: 0 done, 1 a bug (with its traceback) or a run that could not be stored, 2 bad input,
    130 stopped with Ctrl-C, SIGTERM (as a container is), or SIGHUP (its terminal is closed; `nohup` ignores that).
    """
    signal.signal(signal.SIGTERM, _as_interrupt)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _as_interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal of another alphabet must not end the work
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(_one_line(error, BAD_INPUT))
    except StorageError as error:
        sys.exit(_one_line(error, 1))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def log_to_stderr(level: int = logging.INFO) -> None:
    """Show the kit's messages on what standard error is at that moment, from `level` on: a run captures its own."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=level, handlers=[_StderrHandler()])


class _StderrHandler(logging.StreamHandler):
    """Writes to `sys.stderr` as it is when a message comes, not as it was when logging began."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: object) -> None:
        """It is always the current one."""


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _one_line(error: Exception, code: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return code
