"""Progress of a study, cell by cell and as a whole: bars on a terminal, plain lines elsewhere."""

import contextlib
import itertools
import shutil
import sys
import time
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from repro.progress import SECONDS_BETWEEN_LINES, HowFar

SECONDS_BETWEEN_LOOKS = 0.5

NEARLY = 0.9
"""What part of a cell is done at most while it runs, as far as can be told from the time that others took [us]."""


class Board:
    """Shows what is done, what runs and what is left, and how many images a second all cells pass through networks.

    On a terminal there is a bar for the study and one for each cell that runs; elsewhere a line now and then.

    Args:
        title: what is being done.
        total: how many cells there are.
        unit: singular name of what is counted.
        shown: False shows nothing.
    """

    def __init__(self, title: str, total: int, unit: str = "cell", shown: bool = True) -> None:
        self._title, self._total, self._unit, self._done, self._idle = title, total, unit, 0, 0
        self._shown, self._stream = shown, sys.__stderr__
        self._began = self._last = time.monotonic()
        self._notes: dict[str, HowFar | None] = {}
        self._since: dict[str, float] = {}
        self._took: list[float] = []
        self._bars: dict[str, tuple[int, str, Any]] = {}
        self._whole: Any = None
        self._open = contextlib.ExitStack()
        if shown and self._stream is not None and self._stream.isatty():
            self._whole = self._bar(title, 0, total, unit)
            self._open.enter_context(logging_redirect_tqdm())

    def begin(self, key: str, title: str) -> None:
        """One more runs."""
        self._since[key] = time.monotonic()
        self._notes[key] = None
        if self._whole is not None:
            taken = {place for place, _, _ in self._bars.values()}
            place = next(n for n in itertools.count(1) if n not in taken)
            if place < shutil.get_terminal_size().lines - 1:  # one beyond would push the others off
                self._bars[key] = place, title, self._bar(title, place, 1, "")
        self.show()

    def note(self, key: str, how_far: HowFar | None) -> None:
        """Take in how far one is."""
        self._notes[key] = how_far

    def end(self, key: str) -> None:
        """One has ended."""
        self._took.append(time.monotonic() - self._since.pop(key))
        self._notes.pop(key, None)
        if key in self._bars:
            self._bars.pop(key)[2].close()

    def settle(self, worked: bool) -> None:
        """One needs nothing more; `worked`: it took time."""
        self._done += 1
        self._idle += not worked
        self.show()

    def say(self, line: str) -> None:
        """Print a line, past the bars."""
        if self._whole is not None:
            tqdm.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def show(self) -> None:
        """Show it all, if it is time to."""
        now = time.monotonic()
        if self._whole is not None:
            if now - self._last >= SECONDS_BETWEEN_LOOKS:
                self._last = now
                self._draw()
        elif self._shown and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self.say(f"{self._title}: {self.words()}")

    def words(self) -> str:
        """Say how it stands."""
        running = len(self._notes)
        rate = sum(far.images_per_second for far in self._notes.values() if far is not None)
        parts = [f"{self._done} of {self._total} {self._unit}s done, {running} running"]
        parts[0] += f", {self._total - self._done - running} to come"
        if rate:
            parts.append(f"{rate:,.0f} images/s")
        if (left := self.seconds_left()) is not None:
            parts.append(f"about {_duration(left)} left")
        return "; ".join(parts)

    def seconds_left(self) -> float | None:
        """Return how long the rest takes if it goes on like this; None while nothing tells.

        Nothing has ended, or all that is left runs already and each takes longer than those before.
        """
        if not self._took:
            return None
        now, mean = time.monotonic(), sum(self._took) / len(self._took)
        to_come = self._total - self._done - len(self._since)
        if to_come <= 0 and all(now - since > mean for since in self._since.values()):
            return None
        # Of what runs, as much is done as its time tells; never quite all.
        begun = sum(min(NEARLY, (now - since) / mean) for since in self._since.values())
        worked = len(self._took) + begun
        return (now - self._began) / worked * max(0.0, self._total - self._idle - worked)

    def close(self) -> None:
        """Take the bars off the terminal."""
        self._open.close()
        for _, _, bar in self._bars.values():
            bar.close()
        if self._whole is not None:
            self._whole.close()

    def _draw(self) -> None:
        self._whole.n = self._done
        self._whole.set_description_str(f"{self._title}: {self.words()}", refresh=False)
        self._whole.refresh()
        for key, (_, name, bar) in self._bars.items():
            if (far := self._notes[key]) is not None:
                bar.n, bar.total = far.done, far.total
                bar.set_description_str(f"{name}: {far.title}", refresh=False)
                bar.set_postfix_str(far.note, refresh=False)
            bar.refresh()

    def _bar(self, title: str, place: int, total: int, unit: str) -> Any:
        layout = "{desc} |{bar}|" if place == 0 else "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}{postfix}"
        return tqdm(
            desc=title, total=total, unit=unit, position=place, file=self._stream, leave=False, bar_format=layout
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
