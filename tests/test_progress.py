"""Progress: a bar on a terminal, plain lines elsewhere, and nothing in what Sacred captures."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

WORK = """
import contextlib, io, time
from repro import progress
progress.SECONDS_BETWEEN_LINES = 0.05
captured = io.StringIO()
with contextlib.redirect_stderr(captured), progress.Progress("count", 10, "step", done=4) as bar:
    for _ in range(6):
        time.sleep(0.03)
        bar.advance(note="loss 1.0")
assert captured.getvalue() == "", captured.getvalue()
"""


def test_plain_lines_tell_how_far_how_fast_and_how_long_when_nobody_watches():
    result = subprocess.run([sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = result.stderr.splitlines()
    assert lines
    for line in lines:
        done = int(line.removeprefix("count: ").split("/")[0])
        assert 4 < done <= 10
        assert line.startswith(f"count: {done}/10 steps, ")
        assert line.endswith(" s left  loss 1.0")
    rate = float(lines[-1].split(", ")[1].removesuffix("/s"))
    assert rate < 1 / 0.03  # the four done before do not count as speed


def test_a_terminal_gets_a_bar_that_is_taken_away(tmp_path: Path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", WORK], cwd=ROOT, stdout=theirs, stderr=theirs)
    assert process.wait() == 0
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    assert "count:" in seen
    assert "4/10" in seen
    assert "step/s, loss 1.0" in seen
    assert "\n" not in seen.strip()


def test_bytes_are_told_in_units_that_people_read():
    work = WORK.replace('"count", 10, "step", done=4', '"count", 10_000_000, "B", done=4_000_000')
    work = work.replace('advance(note="loss 1.0")', "advance(1_000_000)")
    result = subprocess.run([sys.executable, "-c", work], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.match(r"count: \d\.\d\dMB/10\.0MB, [\d.]+MB/s, \d+ s left$", result.stderr.splitlines()[0])
