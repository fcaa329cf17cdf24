"""The Ray engine: the missing cells of a study as tasks on one machine's cores and GPUs, or on several machines'.

Ray decides where and when; cells whose machine is lost are run again elsewhere. Every worker writes to the run database
that its own environment names, so no address or password passes through Ray.
"""

import logging
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray

from repro.configs.resolve import plain
from repro.errors import BusyError, InputError, StorageError, UnreachedError, log_to_stderr
from repro.progress import Progress
from repro.reproduce.engines.local import Failure, attempt
from repro.reproduce.engines.waiting import is_running, pause
from repro.reproduce.study.cells import Cell
from repro.store import open_database
from repro.store.address import named_address

log = logging.getLogger("repro.reproduce")

LONGEST_FOLDER = 35
"""Characters of the folder that holds Ray's: `/ray/session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store` is 68 more,
and a socket's path has at most 107 (on macOS 103)."""

LOST_MACHINES = 3
"""How often a cell whose machine is lost is begun again."""

PATIENCE_SECONDS = 600.0
"""How long a machine tries to reach the run database before it gives up a cell [us]: it may never have the address."""


def run_missing(
    cells: Sequence[Cell], address: str | None, cpus: float, gpus: float | None, patience: float = PATIENCE_SECONDS
) -> list[Failure]:
    """Run every cell that has no whole run yet, many at a time; return those that failed.

    Args:
        cells: a cell's origin comes before it.
        address: of a running cluster, as `ray.init` takes it; None starts one on this machine.
        cpus: cores of a cell; how many threads it computes with its config says.
        gpus: GPUs of a cell, 0.5 for two cells on one; None for one each where there are any.
        patience: seconds that a machine tries to reach the run database before it gives up a cell.

    Raises:
        InputError: no cluster answers, none of its machines has what a cell needs, or its machines would not share a
            run database.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None  # Ray itself would join that cluster, too
    if address is not None and named_address() is None:
        raise InputError(
            f"--address {address} (or RAY_ADDRESS): the machines of a cluster need one run database; set "
            "REPRO_MONGO_URI on each of them, or unset RAY_ADDRESS to use this machine alone"
        )
    _join(address)
    try:
        return _run(cells, cpus, gpus, patience)
    finally:
        ray.shutdown()


def _join(address: str | None) -> None:
    place: dict[str, Any] = {} if address is not None or (short := _short_folder()) is None else {"_temp_dir": short}
    try:
        ray.init(address=address, **place, log_to_driver=True, logging_level=logging.WARNING, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"--address {address}: no Ray cluster answers ({first}); start one with `ray start --head`"
        ) from None


def _short_folder() -> str | None:
    """Return where Ray may keep its sockets, if its usual folder has too long a path for them; else None.

    Raises:
        InputError: no other folder will do.
    """
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    if len(os.fsencode(usual)) <= LONGEST_FOLDER:
        return None
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108
        if os.access(folder, os.W_OK | os.X_OK):
            return str(Path(folder) / f"ray-{os.getuid()}")
    raise InputError(
        f"TMPDIR={usual} is too long for Ray's sockets (at most {LONGEST_FOLDER} characters), and /tmp cannot be "
        "written to; point RAY_TMPDIR to a folder with a short path"
    )


def _run(cells: Sequence[Cell], cpus: float, gpus: float | None, patience: float) -> list[Failure]:
    there = ray.cluster_resources()
    if gpus is None:
        gpus = 1.0 if there.get("GPU") else 0.0
    for kind, wanted in (("CPU", cpus), ("GPU", gpus)):
        if wanted > there.get(kind, 0):
            raise InputError(
                f"a cell needs {wanted:g} {kind}, but the cluster has {there.get(kind, 0):g} in all; lower "
                f"--{kind.lower()}s, or add machines"
            )
    log.info("%g cores and %g GPUs for %d cells", there.get("CPU", 0), there.get("GPU", 0), len(cells))
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=LOST_MACHINES, retry_exceptions=False)(_attempt)
    refs: dict[str, Any] = {}
    for number, cell in enumerate(cells, start=1):
        # What it waits for stands among the arguments: Ray begins no task before these are there.
        before = None if cell.origin is None else refs.get(cell.origin.key)
        refs[cell.key] = task.remote(_sent(cell), f"cell {number} of {len(cells)}: {cell.title}", before, patience)
    failures = []
    waiting = {ref: cell for cell, ref in zip(cells, refs.values(), strict=True)}
    with Progress("cells", len(cells), "cell") as progress:
        while waiting:
            for ref in ray.wait(list(waiting), timeout=1.0)[0]:
                failures += _outcome(ref, waiting.pop(ref))
                progress.advance()
    return failures


def _outcome(ref: Any, cell: Cell) -> list[Failure]:
    try:
        reason = ray.get(ref)
    except ray.exceptions.RayError as error:
        reason = f"its machine or process was lost ({type(error).__name__})"
    return [Failure(cell, reason)] if reason else []


def _sent(cell: Cell) -> dict[str, Any]:
    """Return a cell as plain values."""
    return {
        "named": list(cell.named),
        "updates": plain(dict(cell.updates)),
        "task": cell.task,
        "origin": None if cell.origin is None else _sent(cell.origin),
    }


def _received(sent: dict[str, Any]) -> Cell:
    origin = None if sent["origin"] is None else _received(sent["origin"])
    return Cell(tuple(sent["named"]), sent["updates"], sent["task"], origin)


def _attempt(sent: dict[str, Any], title: str, before: str | None, patience: float) -> str:
    """Give a cell a whole run, in a worker; return why that was not possible, or nothing."""
    log_to_stderr()
    cell = _received(sent)
    until = time.monotonic() + patience
    while True:
        try:
            with open_database() as database:
                until = time.monotonic() + patience
                if not is_running(database, cell):  # where a machine was lost, its process may take a while to die
                    failure = attempt(database, cell, title)
                    return "" if failure is None else failure.reason
        except BusyError:
            pass
        except UnreachedError as error:
            if time.monotonic() > until:
                return f"on {platform.node()}: {error}"
            log.warning("%s: %s; trying again", title, error)
        except (InputError, StorageError) as error:
            return f"on {platform.node()}: {error}"
        pause()
