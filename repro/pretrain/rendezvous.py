"""Rendezvous of the processes of one run, before any of them begins long work.

torch's own rendezvous waits inside a library: half an hour for a process that never comes, and deaf to SIGTERM.
"""

import logging
import os
import time
from collections.abc import Callable
from datetime import timedelta

from torch import distributed as dist

from repro.errors import InputError
from repro.ranks import CURE, Place, place

log = logging.getLogger("repro")

SECONDS_TO_COME = 300.0
"""How long a process waits for the others to be started [us]."""

SECONDS_BETWEEN_LOOKS = 0.05
SECONDS_PER_TRY = 3.0
"""How long one try to reach the meeting point takes: so long a SIGTERM may have to wait."""

SECONDS_BETWEEN_WORDS = 60.0

_stores: dict[str, dist.Store] = {}


def meet(seconds: float | None = None) -> dist.Store:
    """Wait until all processes of this run have come, and return the store that they share; once is enough.

    Args:
        seconds: how long (default: `SECONDS_TO_COME`).

    Raises:
        InputError: they do not come, or cannot meet where the environment says.
    """
    own, seconds = place(), SECONDS_TO_COME if seconds is None else seconds
    if own.address not in _stores:
        log.info("waiting up to %g s for the %d processes of WORLD_SIZE=%d", seconds, own.world, own.world)
        until = time.monotonic() + seconds
        store = _opened(own, until, seconds)
        store.add("repro/here", 1)
        while (come := store.add("repro/here", 0)) < own.world:
            if time.monotonic() > until:
                raise InputError(
                    f"WORLD_SIZE={own.world}, but {come} of {own.world} processes came to {own.address} (MASTER_ADDR, "
                    f"MASTER_PORT) within {seconds:g} s. {CURE}"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
        _stores[own.address] = store
    return _stores[own.address]


def wait_for_all(store: dist.Store, key: str) -> None:
    """Wait until all processes have come to a point of their work, however long it takes; SIGTERM ends it."""
    world, said = place().world, time.monotonic()
    store.add(key, 1)
    while (come := store.add(key, 0)) < world:
        if time.monotonic() - said > SECONDS_BETWEEN_WORDS:
            log.info("%d of %d processes are ready to train; waiting for the others", come, world)
            said = time.monotonic()
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _opened(own: Place, until: float, seconds: float) -> dist.Store:
    """Return the store at the meeting point: the first process opens it, unless torchrun has."""
    host, _, port = own.address.rpartition(":")
    opens = own.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"

    def attempt() -> dist.Store:
        wait = timedelta(seconds=SECONDS_PER_TRY)
        return dist.TCPStore(host, int(port), None, opens, wait, wait_for_workers=False, multi_tenant=True)

    return _patiently(attempt, own, until, seconds)


def _patiently(attempt: Callable[[], dist.Store], own: Place, until: float, seconds: float) -> dist.Store:
    while True:
        try:
            return attempt()
        except (dist.DistError, RuntimeError) as error:
            text = str(error)
            if "EADDRINUSE" in text or "address already in use" in text.lower():
                raise InputError(f"MASTER_PORT: {own.address} is in use; choose another port. {CURE}") from None
            if time.monotonic() > until:
                raise InputError(
                    f"RANK={own.rank} of WORLD_SIZE={own.world} finds nobody at {own.address} (MASTER_ADDR, "
                    f"MASTER_PORT) within {seconds:g} s. {CURE}"
                ) from None
        time.sleep(SECONDS_BETWEEN_LOOKS)
