"""How a study gets on: bars on a terminal, plain lines elsewhere, and figures that can be worked out by hand."""

import os
import pty
import re
import subprocess
import sys
import termios
import threading

import pytest

from repro.progress import HowFar
from repro.reproduce.engines import progress_board as boards
from repro.reproduce.engines.progress_board import Board
from tests.conftest import ROOT

WORK = """
from repro import progress
from repro.reproduce.engines import pool, progress_board
from tests.reproduce.pieces import train
progress_board.SECONDS_BETWEEN_LINES = progress_board.SECONDS_BETWEEN_LOOKS = 0.2
pool.PRELOADED = ["tests.reproduce.pieces"]
with pool.Pool(2, progress_board.Board("cells", 3)) as workers:
    for name in ("one", "two"):
        workers.start(name, f"cell {name}", train, 20)
    while workers.running:
        for end in workers.ended(10):
            workers._board.settle(worked=True)
"""


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(boards, "time", made)
    return made


def test_what_is_done_runs_and_is_left_is_told_with_all_images_a_second_and_the_time_left(clock: Clock):
    board = Board("cells", 6, shown=False)
    board.settle(worked=False)  # it was there already, and says nothing about how long others take
    for key in "ab":
        board.begin(key, key)
    assert board.words() == "1 of 6 cells done, 2 running, 3 to come"
    clock.now += 10
    for key in "ab":
        board.end(key)
        board.settle(worked=True)
    for key, rate in (("c", 300.0), ("d", 700.4)):
        board.begin(key, key)
        board.note(key, HowFar("pretrain byol", 10, "step", 4, "", rate))
    assert board.words() == "3 of 6 cells done, 2 running, 1 to come; 1,000 images/s; about 15 s left"
    clock.now += 5  # half of each is done; three of five in 15 s
    assert board.seconds_left() == pytest.approx(10.0)
    clock.now += 1000  # longer than the others took: nearly done, as far as anybody knows
    assert board.seconds_left() == pytest.approx(1015 / 3.8 * 1.2)
    board.end("c")
    board.settle(worked=True)
    board.begin("e", "e")
    clock.now += 2000  # nothing is to come, and both take longer than any before: nobody knows
    assert board.words() == "4 of 6 cells done, 2 running, 0 to come; 700 images/s"


def test_in_a_log_there_are_plain_lines_and_nothing_is_redrawn():
    result = subprocess.run([sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not re.search(r"[\r\x1b]", result.stderr)
    lines = result.stderr.splitlines()
    assert "INFO pieces: begun  [cell one]" in lines
    told = [line for line in lines if line.startswith("cells: ")]
    assert told
    assert all(re.match(r"cells: \d of 3 cells done, \d running, \d to come", line) for line in told)
    assert any(re.search(r"; \d+ images/s", line) for line in told)


def test_on_a_terminal_every_running_cell_has_a_line_and_the_study_one():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    seen: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 100_000):
                seen.append(piece)
        except OSError:  # nobody has the other end open any more
            return

    reader = threading.Thread(target=read)
    process = subprocess.Popen([sys.executable, "-c", WORK], cwd=ROOT, stdout=theirs, stderr=theirs)
    os.close(theirs)
    reader.start()
    assert process.wait() == 0
    reader.join()
    text = b"".join(seen).decode()
    assert "cells: 0 of 3 cells done, 2 running, 1 to come" in text
    assert re.search(r"cell one: work +\d+% \|[^|]*\| \d+/20", text)
    assert re.search(r"cell two: work +\d+% \|", text)
    assert "INFO pieces: begun  [cell two]" in text
