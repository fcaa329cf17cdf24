"""Preparing while processes are killed, wait for each other, or find the disk full: what is there is always whole."""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.data import prepare
from repro.data.imageset import sha256_of_images
from repro.data.prepare import chunks, decoders, prepared
from tests.conftest import ROOT
from tests.data.pictures import SIZE, damage, expected, listing_of, make, refusal

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from repro.data.prepare import chunks
from repro.data.listing import Listing
from repro.data.prepare import prepared
from repro.errors import front_door, log_to_stderr
chunks.SECONDS_BETWEEN_RECORDS = 0
log_to_stderr()
source, kept = map(Path, sys.argv[1:])
files = tuple(sorted(str(file.relative_to(source)) for file in source.rglob("*.png")))
listing = Listing("made", source, files, np.zeros(len(files), int), np.full(len(files), "train"), ("any",), 3)
front_door(lambda _: print(prepared(listing, 16, kept).images_sha256))
"""


def started(source: Path, kept: Path, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROGRAM, str(source), str(kept)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def test_after_kill_9_only_what_is_missing_is_decoded_and_the_bytes_are_the_same(
    tmp_path: Path, kept: Path, rows_decoded: list[int], caplog
):
    make(tmp_path / "source", 640, side=200)
    process = started(tmp_path / "source", kept)
    record = kept / "made-16.partial" / chunks.RECORD
    while process.poll() is None and (not record.exists() or record.read_text().count("\n{") < 2):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert not (kept / "made-16").exists()
    with caplog.at_level(logging.INFO):
        resumed = prepared(listing_of(tmp_path / "source"), SIZE, kept)
    assert "images are there already; continuing" in caplog.text
    assert 0 < len(rows_decoded) <= 640 - 2 * chunks.CHUNK
    assert len(rows_decoded) == len(set(rows_decoded))
    whole = prepared(listing_of(tmp_path / "source"), SIZE, tmp_path / "elsewhere")
    assert resumed.stored_sha256 == whole.stored_sha256 == sha256_of_images(resumed.images)
    first, second = ((folder / "made-16" / "images.npy").read_bytes() for folder in (kept, tmp_path / "elsewhere"))
    assert first == second


def test_a_record_that_was_torn_by_a_power_failure_is_used_as_far_as_it_goes(
    source: Path, kept: Path, rows_decoded: list[int]
):
    damage(source, [149])
    refusal(lambda: prepared(listing_of(source), SIZE, kept))
    record = kept / "made-16.partial" / chunks.RECORD
    os.truncate(record, record.stat().st_size - 20)
    rows_decoded.clear()
    refusal(lambda: prepared(listing_of(source), SIZE, kept))
    assert rows_decoded == list(range(128, 150))
    rows_decoded.clear()
    assert len(prepared(listing_of(source), SIZE, kept, allow_corrupt=1).images) == 149
    assert not rows_decoded


def test_a_record_without_its_images_is_not_believed(source: Path, kept: Path, rows_decoded: list[int]):
    damage(source, [149])
    refusal(lambda: prepared(listing_of(source), SIZE, kept))
    (kept / "made-16.partial" / chunks.IMAGES).unlink()
    rows_decoded.clear()
    prepared(listing_of(source), SIZE, kept, allow_corrupt=1)
    assert len(rows_decoded) == 150


def test_two_processes_at_once_share_one_work(source: Path, kept: Path):
    both = [started(source, kept) for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert len({out for out, _ in ends}) == 1
    assert np.array_equal(prepared(listing_of(source), SIZE, kept).images, expected(listing_of(source)))


def test_who_must_wait_is_told_so_and_then_decodes_nothing(source: Path, kept: Path, caplog, rows_decoded, tmp_path):
    prepared(listing_of(source), SIZE, tmp_path / "elsewhere")
    rows_decoded.clear()
    kept.mkdir(parents=True)
    with (kept / "made-16.lock").open("a") as lock, caplog.at_level(logging.INFO):
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: prepared(listing_of(source), SIZE, kept))
        waiting.start()
        while "another process prepares" not in caplog.text:
            time.sleep(0.01)
        (tmp_path / "elsewhere" / "made-16").rename(kept / "made-16")
        fcntl.flock(lock, fcntl.LOCK_UN)
        waiting.join(timeout=30)
    assert not waiting.is_alive()
    assert not rows_decoded


def test_a_disk_that_fills_up_stops_the_work_in_one_line_and_it_can_go_on(source: Path, kept: Path, rows_decoded):
    """A limit on the size of files stands in for a full disk: the kernel refuses the same writes."""
    import resource

    limit = 100 * SIZE * SIZE * 3
    process = started(
        source, kept, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    )
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert f"error: cannot prepare made-16 in {kept}: File too large. Make room there" in said
    assert "Traceback" not in said
    assert not (kept / "made-16").exists()
    listing = listing_of(source)
    assert np.array_equal(prepared(listing, SIZE, kept).images, expected(listing))
    assert len(rows_decoded) < 150


def test_too_little_space_is_noticed_before_the_work(source: Path, kept: Path, monkeypatch, rows_decoded):
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    said = refusal(lambda: prepared(listing_of(source), SIZE, kept))
    assert "too little space left" in said
    assert "0.00012 GB to spare" in said
    assert not rows_decoded


def test_a_folder_that_cannot_be_made_is_named(source: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    said = refusal(lambda: prepared(listing_of(source), SIZE, tmp_path / "file" / "prepared"))
    assert f"cannot prepare made-16 in {tmp_path}/file/prepared: Not a directory" in said


def test_a_decoding_process_that_the_system_kills_is_told_in_one_line(source: Path, kept: Path, tmp_path, monkeypatch):
    (tmp_path / "killed.py").write_text("import os, sys\nsys.stdin.readline()\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setattr(decoders.decode, "__file__", str(tmp_path / "killed.py"))
    said = refusal(lambda: prepared(listing_of(source), SIZE, kept))
    assert f"killed (signal 9) among the 64 files from {source}/0000.png on" in said


def test_a_bug_in_a_decoding_process_is_not_taken_for_bad_input(source: Path, kept: Path, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("import sys\nsys.stdin.readline()\nsys.exit(1)\n")
    monkeypatch.setattr(decoders.decode, "__file__", str(tmp_path / "broken.py"))
    with pytest.raises(RuntimeError, match="traceback is above"):
        prepared(listing_of(source), SIZE, kept)
