"""The journal: what was appended is there, in order, whatever happens to the process."""

import contextlib
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from bson import ObjectId

from repro.store.journal import Journal
from tests.conftest import ROOT

HOLD = """
from pathlib import Path
from repro.store.journal import Journal
journal = Journal(Path({folder!r}))
journal.append(dict(n=1))
print("open", flush=True)
input()
"""
ENTRY = {"run": 3, "values": [1.5, float("inf"), 2**40], "when": datetime(2026, 1, 2, 3, 4, 5), "id": ObjectId()}


def test_entries_come_back_as_they_were(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append(ENTRY, {"run": 4})
    assert [entry for entry, _ in journal.entries()] == [ENTRY, {"run": 4}]


def test_offsets_continue_where_a_reader_stopped(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append({"n": 1}, {"n": 2})
    (_, after_first), (_, end) = journal.entries()
    journal.append({"n": 3})
    assert [e["n"] for e, _ in journal.entries(after_first)] == [2, 3]
    assert [e["n"] for e, _ in journal.entries(end)] == [3]


def test_a_line_half_written_by_a_dying_process_is_no_entry(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append({"n": 1})
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"n": 2')
    assert [e["n"] for e, _ in journal.entries()] == [1]


def test_one_process_owns_a_journal_until_it_dies(tmp_path: Path):
    code = HOLD.format(folder=str(tmp_path))
    other = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    with pytest.raises(BlockingIOError):
        Journal(tmp_path)
    other.kill()
    other.wait()
    assert [e["n"] for e, _ in Journal(tmp_path).entries()] == [1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_entries_that_found_the_disk_full_are_written_once_when_there_is_room(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append({"n": 1})
    good, journal._file = journal._file, Path("/dev/full").open("ab")  # noqa: SIM115
    with pytest.raises(OSError, match="No space left"):
        journal.append({"n": 2})
    good.close()
    journal.append({"n": 3})
    assert [e["n"] for e, _ in journal.entries()] == [1, 2, 3]


def test_files_are_kept_under_their_hash(tmp_path: Path):
    source = tmp_path / "weights"
    source.write_bytes(os.urandom(1000))
    journal = Journal.begin(tmp_path / "journal")
    sha256 = journal.keep_file(source)
    assert (tmp_path / "journal" / "files" / sha256).read_bytes() == source.read_bytes()
    expected = subprocess.run(["sha256sum", source], capture_output=True, text=True, check=True).stdout.split()[0]
    assert sha256 == expected


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_names_that_lead_to_the_record_are_on_the_disk_before_it_is_taken_for_kept(tmp_path: Path):
    source, folder = tmp_path / "weights", tmp_path / "spool" / "3-x"
    source.write_bytes(b"w")
    code = f"""
from pathlib import Path
from repro.store.journal import Journal
journal = Journal.begin(Path({str(folder)!r}))
journal.append(dict(n=1))
journal.keep_file(Path({str(source)!r}))
"""
    trace = ["strace", "-f", "-y", "-e", "trace=mkdir,openat,rename,fsync", "-o", str(tmp_path / "trace")]
    subprocess.run([*trace, sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True)
    lines = (tmp_path / "trace").read_text().splitlines()

    def first(*words: str) -> int:
        return next(i for i, line in enumerate(lines) if all(word in line for word in words))

    def synced(path: Path) -> list[int]:
        return [i for i, line in enumerate(lines) if "fsync(" in line and f"<{path}>" in line]

    hidden = folder.with_name(f".{folder.name}")
    assert synced(tmp_path)[0] > first("mkdir", f'{folder.parent}"')
    assert first("journal.jsonl", "O_CREAT") < synced(hidden)[0] < first("rename", f'{hidden}"')
    assert first("rename", f'{hidden}"') < synced(folder.parent)[-1] < synced(folder / "journal.jsonl")[0]
    assert synced(folder)[0] > first("mkdir", f'{folder}/files"')
    assert synced(folder / "files")[-1] > first("rename", "/files/")


BEGIN = """
import sys
from pathlib import Path
from repro.store.journal import Journal
for number in range(200):
    journal = Journal.begin(Path(sys.argv[1]) / f"{number}-x")
    journal.append(dict(n=1))
    assert (journal.folder / "journal.jsonl").stat().st_size == journal.length
    journal.close(delete=True)
"""


def test_a_journal_that_is_being_begun_is_taken_by_nobody_for_one_that_was_left(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", BEGIN, str(tmp_path)], cwd=ROOT)
    taken = 0
    while process.poll() is None:
        for folder in tmp_path.glob("*-x"):
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                if not folder.name.startswith("."):
                    Journal(folder).close(delete=True)
                    taken += 1
    assert process.returncode == 0
    assert taken == 0
