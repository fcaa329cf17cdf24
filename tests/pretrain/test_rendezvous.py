"""Processes that do not come are told of in time, and SIGTERM ends whoever waits for them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed as dist

from repro.errors import BAD_INPUT, InputError
from repro.pretrain import processes, rendezvous, signals
from tests.conftest import ROOT
from tests.pretrain.sharing import CPU, started
from tests.test_front_doors import QUICK

WHOLE = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}


@pytest.fixture
def port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("rank", "complaint"),
    [("0", "WORLD_SIZE=2, but 1 of 2 processes came to"), ("1", "RANK=1 of WORLD_SIZE=2 finds nobody at")],
)
def test_processes_that_do_not_come_are_told_of_after_a_stated_time(monkeypatch, port: str, rank: str, complaint: str):
    for name, word in {**WHOLE, "RANK": rank, "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, word)
    began = time.monotonic()
    with pytest.raises(InputError) as error:
        rendezvous.meet(seconds=1)
    assert time.monotonic() - began < 15
    assert complaint in str(error.value)
    assert "within 1 s. Start all of them with torchrun; or, for one process, `unset WORLD_SIZE RANK`" in str(
        error.value
    )


def test_a_port_that_another_program_has_is_named(monkeypatch):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        for name, word in {**WHOLE, "RANK": "0", "MASTER_PORT": str(taken.getsockname()[1])}.items():
            monkeypatch.setenv(name, word)
        with pytest.raises(InputError, match=r"MASTER_PORT: 127\.0\.0\.1:\d+ is in use"):
            rendezvous.meet(seconds=5)


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_sigterm_ends_a_run_that_waits_for_others_and_nothing_is_on_record(tmp_path, port: str, rank: str):
    line = [sys.executable, "-W", "ignore", "-m", "repro.run", "with", "byol", "phantom", "smoke", *QUICK]
    environment = {**os.environ, **WHOLE, "RANK": rank, "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    with contextlib.ExitStack() as stack:
        first = None if rank == "0" else stack.enter_context(socket.create_server(("127.0.0.1", int(port))))
        process = subprocess.Popen(line, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        if first is None:
            assert "waiting up to 300 s for the 2 processes of WORLD_SIZE=2" in process.stderr.readline()
        else:  # only the first one says what it does; the second one looks for it
            stack.enter_context(first.accept()[0])
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()[-1]) == (130, "stopped")  # torch may tell of a broken connection
    assert "Traceback" not in told
    assert not list(tmp_path.glob("runs/db/data"))


def test_a_half_set_environment_is_one_line(tmp_path):
    line = [sys.executable, "-W", "ignore", "-m", "repro.run", "with", "byol", "phantom", "smoke", *QUICK]
    environment = {**os.environ, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == BAD_INPUT
    (told,) = done.stderr.splitlines()
    assert told.startswith("error: WORLD_SIZE=2, but RANK and MASTER_ADDR and MASTER_PORT not set")


def stuck(note: Path) -> None:
    """The first takes part in a sum that the second never comes to."""
    signals.SECONDS_TO_LEAVE = 1.0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))  # Python's own handler, which does not run meanwhile
    with processes.together(CPU):
        if processes.is_first():
            note.touch()
            dist.all_reduce(torch.zeros(1))
        time.sleep(600)


def test_sigterm_ends_a_process_that_is_stuck_in_a_collective_operation(tmp_path: Path):
    context = started(2, stuck, tmp_path / "note")
    first, second = context.processes
    deadline = time.monotonic() + 120
    while not (tmp_path / "note").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)
    assert first.is_alive()
    first.terminate()
    first.join(30)
    second.kill()
    second.join()
    assert first.exitcode == signals.STOPPED
