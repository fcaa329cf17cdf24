"""Rank of this process among those of one run, from the environment of torchrun or a cluster."""

import os
from dataclasses import dataclass

from repro.errors import InputError

VARIABLES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
NEEDED = ("RANK", "MASTER_ADDR", "MASTER_PORT")
"""What each of several processes has to know beside their number."""

CURE = "Start all of them with torchrun; or, for one process, `unset WORLD_SIZE RANK`"


@dataclass(frozen=True)
class Place:
    """One process among those of a run.

    Args:
        rank: its number, from 0; the first one records.
        world: how many there are.
        address: where they meet, "host:port"; empty where there is one.
    """

    rank: int = 0
    world: int = 1
    address: str = ""


def place() -> Place:
    """Return which process of how many this is; the only one where nothing is said.

    Raises:
        InputError: what is said is half of it, or no number, or cannot be.
    """
    world, rank = _number("WORLD_SIZE", 1, 1), _number("RANK", 0, 0)
    if rank >= world:
        said = f"WORLD_SIZE={world}" if "WORLD_SIZE" in os.environ else "WORLD_SIZE is not set"
        raise InputError(f"RANK={rank}, but {said}: ranks are below WORLD_SIZE. {CURE}")
    if world == 1:
        return Place()
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        raise InputError(f"WORLD_SIZE={world}, but {' and '.join(missing)} not set. {CURE}")
    port = _number("MASTER_PORT", 0, 1, 65535)
    return Place(rank, world, f"{os.environ['MASTER_ADDR']}:{port}")


def local() -> tuple[int, int]:
    """Return (number of this process among those on this machine, how many these are)."""
    return _number("LOCAL_RANK", 0, 0), _number("LOCAL_WORLD_SIZE", 1, 1)


def _number(name: str, default: int, least: int, most: int = 2**31) -> int:
    word = os.environ.get(name) or str(default)
    if not word.strip().isdecimal() or not least <= int(word) <= most:
        raise InputError(f"{name}={word} is no whole number from {least} on. {CURE}")
    return int(word)
