"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0

SECONDS_BETWEEN_NOTES = 0.5


@dataclass(frozen=True)
class HowFar:
    """How far some work is.

    Args:
        title, total, unit, done, note: as `Progress` has them.
        images_per_second: how many images it passes through networks; 0 where it passes none.
    """

    title: str
    total: int
    unit: str
    done: int
    note: str
    images_per_second: float


_told: Callable[[HowFar | None], None] | None = None


def tell(whom: Callable[[HowFar | None], None]) -> None:
    """Show nothing from now on; tell `whom` how far the work is, and None when it is done. Another process shows it."""
    global _told
    _told = whom


class Progress:
    """Counts units of work on the real standard error, past anything that captures `sys.stderr`.

    Args:
        title: what is being done, a few words.
        total: number of units, > 0.
        unit: singular name of a unit, for the rate; "B" counts bytes, shown in kB, MB and GB.
        done: units already done when the work starts (resumed work).
        shown: False shows nothing: another process shows the same work.
        images: how many images a unit passes through the networks.
    """

    def __init__(
        self, title: str, total: int, unit: str = "step", done: int = 0, shown: bool = True, images: int = 0
    ) -> None:
        stream = sys.__stderr__
        self._shown = shown
        self._title, self._total, self._unit, self._done = title, total, unit, done
        self._bar: Any = None
        self._stream = stream
        self._began = self._last_line = time.monotonic()
        self._at_start, self._images = done, images
        if _told is not None:
            self._tell("")
        elif shown and stream is not None and stream.isatty():
            self._bar = tqdm(
                desc=title, total=total, unit=unit, unit_scale=unit == "B", initial=done, file=stream, leave=False
            )

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count `units` more as done; `note` stands behind the bar (e.g. the loss)."""
        self._done += units
        if _told is not None:
            if time.monotonic() - self._last_line >= SECONDS_BETWEEN_NOTES:
                self._last_line = time.monotonic()
                self._tell(note)
        elif self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(units)
        elif self._shown and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._line(note)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if _told is not None and self._shown:
            _told(None)
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rate(self) -> float:
        return (self._done - self._at_start) / max(time.monotonic() - self._began, 1e-9)

    def _tell(self, note: str) -> None:
        if _told is not None and self._shown:
            images = self._rate() * self._images
            _told(HowFar(self._title, self._total, self._unit, self._done, note, images))

    def _line(self, note: str) -> None:
        rate = self._rate()
        left = (self._total - self._done) / rate if rate else float("inf")
        if self._unit == "B":
            done, total, per_s = (f"{tqdm.format_sizeof(n)}B" for n in (self._done, self._total, rate))
            text = f"{self._title}: {done}/{total}, {per_s}/s, {time_left(left)} left"
        else:
            text = f"{self._title}: {self._done}/{self._total} {self._unit}s, {rate:.3g}/s, {time_left(left)} left"
        print(f"{text}  {note}".rstrip(), file=self._stream, flush=True)


def time_left(seconds: float) -> str:
    """Return a duration: seconds up to two minutes, then minutes up to two hours, then hours and days."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if math.isfinite(seconds) and seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
