"""A real database server as a process of its own, that a test may start, freeze and kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError


class Server:
    """A server on a port of 127.0.0.1 that stays the same from one start to the next, as its data does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--storage-path", str(self._folder / "data")]
        words = [sys.executable, "-m", "secantus", "--standalone", *place, "--sync-on-commit", *options]
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, cwd=self._folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def _answers(self) -> bool:
        client: MongoClient = MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=500, directConnection=True)
        with client:
            try:
                client.admin.command("hello")
            except PyMongoError:
                return False
        return True
