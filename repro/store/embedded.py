"""An embedded database server: one process per folder, shared by every process that needs it.

Who uses it is told by locks on files, which the kernel releases however a process ends:
`clients.lock` is held (shared) by every user, `server.lock` by the server itself for as long as it lives.
The last user to leave stops the server.
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from repro.errors import InputError
from repro.files import write_whole
from repro.locks import lock

START_SECONDS = 60
STOP_SECONDS = 30


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Yield the URI of the server whose data lies in `folder`, starting it if it does not run.

    Raises:
        InputError: the server is not installed, does not start (with the place of its log), or the folder is not
            ours, or full, or on storage without locks.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            users = stack.enter_context(_locked(folder / "clients.lock", shared=True))
            stack.callback(_leave, folder, users)
            port = _running(folder, users)
        except OSError as error:
            raise InputError(
                f"the embedded run database in {folder} cannot be used ({error.strerror or error}). Make room there, "
                "or point REPRO_RUNS to a folder of your own"
            ) from None
        yield f"mongodb://127.0.0.1:{port}/"


def _running(folder: Path, users: int) -> int:
    """Return the port of the server, which is started if need be."""
    with _locked(folder / "start.lock"):
        port = _known_port(folder)
        if port is None or not _alive(folder):
            port = _start(folder, port, alone=_alone(users))
    return port


def _known_port(folder: Path) -> int | None:
    """Return the port of the last server; None where none is on record."""
    try:
        return int(json.loads((folder / "server.json").read_text())["port"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _alone(users: int) -> bool:
    """Whether nobody but us uses the server of the file that we hold."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    fcntl.flock(users, fcntl.LOCK_SH)  # also where it was refused: a lock that is to be another is given up first
    return alone


def _start(folder: Path, known: int | None, alone: bool) -> int:
    """Start the server and return its port: the known one, if that is free or somebody looks for it there."""
    if importlib.util.find_spec("secantus") is None:
        raise InputError(
            "no run database: REPRO_MONGO_URI is not set and the embedded server is not installed. "
            "Run `make setup`, or set REPRO_MONGO_URI to a MongoDB"
        )
    port = _free_port(known, alone)
    command = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port), "--standalone"]
    command += ["--storage-path", str(folder / "data"), "--sync-on-commit", "--log-level", "WARNING"]
    log = folder / "server.log"
    with _locked(folder / "server.lock") as held, log.open("ab") as output:
        (folder / "server.pid").unlink(missing_ok=True)
        write_whole(folder / "server.json", json.dumps({"port": port}).encode())
        # The server inherits the lock and, in a session of its own, is spared our Ctrl-C. It notes its pid itself:
        # whenever the lock is held, the pid is its holder's, even if we are killed right now.
        process = subprocess.Popen(
            ["sh", "-c", 'echo $$ > server.pid && exec "$@"', "sh", *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[held],
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(port) or process.poll() is not None:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise InputError(f"the embedded run database did not start; its log is {log}")
        time.sleep(0.05)
    return port


def _free_port(known: int | None, alone: bool) -> int:
    """Return the known port if it is free, so that whoever lost its server finds the new one; else any.

    Raises:
        InputError: others look for the server at the known port, which is taken for now.
    """
    for port in (known or 0, 0):
        if port == 0 and known and not alone:
            raise InputError(f"port {known}, where others look for the embedded run database, is taken; try again")
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a dead server linger
            probe.bind(("127.0.0.1", port))
            return probe.getsockname()[1]
    raise InputError("this machine has no free port on 127.0.0.1 for the embedded run database")


def _answers(port: int) -> bool:
    client: MongoClient = MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=500, directConnection=True)
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True


def _alive(folder: Path) -> bool:
    try:
        with _locked(folder / "server.lock", wait=False):
            return False
    except BlockingIOError:
        return True


def _leave(folder: Path, users: int) -> None:
    """Give up our place among the users; who leaves last stops the server. One leaves at a time."""
    with _locked(folder / "start.lock"):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(users, fcntl.LOCK_UN)
        else:
            _stop(folder)


def _stop(folder: Path) -> None:
    if not _alive(folder):
        return
    pid = server_pid(folder)
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while _alive(folder):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # where we are its parent


def server_pid(folder: Path) -> int:
    """Return the process id of the living server of `folder`."""
    note = folder / "server.pid"
    while not note.exists() or not note.read_text().endswith("\n"):
        time.sleep(0.01)  # it has just been started
    return int(note.read_text())


@contextlib.contextmanager
def _locked(path: Path, shared: bool = False, wait: bool = True) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(descriptor, path, shared, wait)
        yield descriptor
    finally:
        os.close(descriptor)
