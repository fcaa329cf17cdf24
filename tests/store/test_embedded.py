"""The embedded server: shared, stopped by the last user, whatever happens to the others."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymongo import MongoClient

from repro.errors import InputError
from repro.store import embedded, open_database
from tests.conftest import ROOT

HOLD = """
import sys
from repro.store import open_database
with open_database() as db:
    print(db.client.address[1], flush=True)
    sys.stdin.read()
"""


def user() -> tuple[subprocess.Popen, int]:
    """Start another process that holds the database open; return it and the port it uses."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def server_lives() -> bool:
    return embedded._alive(Path(os.environ["REPRO_RUNS"]) / "db")


def test_processes_share_one_server_and_the_last_one_stops_it():
    (first, port), (second, same) = user(), user()
    assert port == same
    first.communicate()
    assert server_lives()
    second.communicate()
    assert not server_lives()


def test_a_user_that_is_killed_does_not_keep_the_server_from_stopping():
    (killed, _), (other, _) = user(), user()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert server_lives()
    other.communicate()
    assert not server_lives()


def test_what_was_written_is_there_after_server_and_client_were_killed():
    with open_database() as database:
        database.runs.insert_one({"_id": 1, "word": "kept"})
        process, _ = user()
        process.kill()
        process.wait()
        pid = embedded.server_pid(Path(os.environ["REPRO_RUNS"]) / "db")
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while server_lives() and time.monotonic() < deadline:
            time.sleep(0.02)
    with open_database() as database:
        assert database.runs.find_one({"_id": 1})["word"] == "kept"


def test_a_client_whose_server_was_killed_goes_on_with_the_one_that_replaces_it():
    with open_database() as database:
        database.runs.insert_one({"_id": 1})
        os.kill(embedded.server_pid(Path(os.environ["REPRO_RUNS"]) / "db"), 9)
        while server_lives():
            time.sleep(0.02)
        process, port = user()
        assert port == database.client.address[1]
        assert database.runs.count_documents({}) == 1
        process.communicate()


def test_a_starter_killed_before_it_could_note_anything_leaves_a_server_that_can_be_used_and_stopped():
    code = HOLD.replace("import sys", "import sys, os, signal\nfrom repro.store import embedded\n"
                        "embedded._answers = lambda port: os.kill(os.getpid(), signal.SIGKILL)")  # fmt: skip
    starter = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL)
    assert starter.returncode == -signal.SIGKILL
    assert server_lives()
    process, _ = user()
    process.communicate()
    assert not server_lives()


def test_many_processes_starting_at_once_get_the_same_server():
    processes = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]  # fmt: skip
    ports = {process.stdout.readline() for process in processes if process.stdout}
    for process in processes:
        process.communicate()
    assert len(ports) == 1
    assert not server_lives()


def test_server_answers_on_this_machine_only():
    with open_database() as database:
        host, port = database.client.address
        assert host == "127.0.0.1"
        listening = Path("/proc/net/tcp").read_text() if Path("/proc/net/tcp").exists() else f"0100007F:{port:04X}"
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
        assert MongoClient(host, port).admin.command("ping")["ok"] == 1


@pytest.mark.parametrize("content", ["", "{}", '{"port": "x"}', "[]"])
def test_a_note_of_the_port_that_a_full_disk_left_empty_locks_nobody_out(content: str):
    with open_database() as database:
        database.runs.insert_one({"_id": 1})
    (Path(os.environ["REPRO_RUNS"]) / "db" / "server.json").write_text(content)
    with open_database() as database:
        assert database.runs.count_documents({}) == 1


def test_who_finds_out_that_others_use_the_server_still_counts_as_a_user(tmp_path: Path):
    file = tmp_path / "clients.lock"
    with file.open("w") as ours, file.open("w") as other, file.open("w") as leaving:
        fcntl.flock(ours, fcntl.LOCK_SH)
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not embedded._alone(ours.fileno())
        fcntl.flock(other, fcntl.LOCK_UN)
        with pytest.raises(BlockingIOError):  # else the last of the others would stop the server under us
            fcntl.flock(leaving, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert embedded._alone(ours.fileno())


def test_a_server_that_others_look_for_is_not_started_where_they_do_not_find_it():
    folder = Path(os.environ["REPRO_RUNS"]) / "db"
    process, port = user()
    os.kill(embedded.server_pid(folder), 9)
    while server_lives():
        time.sleep(0.02)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(InputError, match=f"port {port}, where others look"), open_database():
            pass
    with open_database() as database:
        assert database.client.address == ("127.0.0.1", port)
    process.communicate()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_folder_that_cannot_be_written_is_told_of_in_one_line():
    folder = Path(os.environ["REPRO_RUNS"]) / "db"
    folder.mkdir(parents=True)
    (folder / "server.log").symlink_to("/dev/full/x")
    with pytest.raises(InputError, match="cannot be used"), open_database():
        pass
