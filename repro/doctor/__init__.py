"""What this machine offers, and what will fail on it: `python -m repro.doctor`.

A question is a file here with a `TITLE` and a function `findings() -> Iterator[Finding]`; its name is the file's. One
with `CHEAP = True` takes well under a second and does not import torch, so the front doors ask it before long work.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from repro.doctor.finding import DOORS, Finding
from repro.errors import InputError

ORDER = ("interpreter", "variables", "load", "memory", "folders", "gpu", "images", "runs", "containers")
"""How the answers are listed; questions that are not named follow."""

CHEAP = ("folders", "interpreter", "memory", "variables")
"""The questions that front doors ask: named here, so that the others are not even imported."""


def questions() -> list[ModuleType]:
    """Return every question, in the order of `ORDER`."""
    names = {file.name for file in pkgutil.iter_modules(__path__)} - {"__main__", "finding"}
    modules = [importlib.import_module(f"{__name__}.{name}") for name in sorted(names, key=_place)]
    return [module for module in modules if hasattr(module, "findings")]


def examine(chosen: list[ModuleType]) -> Iterator[tuple[str, Finding]]:
    """Yield (title, finding) of each question; one that breaks is a finding, too."""
    for module in chosen:
        try:
            for finding in module.findings():
                yield module.TITLE, finding
        except (OSError, ValueError) as error:
            yield module.TITLE, Finding(f"cannot be told ({type(error).__name__}: {error})", "note")


def before_work(door: str) -> None:
    """Ask the cheap questions before long work begins.

    Args:
        door: one of `DOORS`.

    Raises:
        InputError: something would stop it, in one line with its cure.
    """
    assert door in DOORS
    for _, finding in examine([importlib.import_module(f"{__name__}.{name}") for name in CHEAP]):
        if door in finding.stops:
            raise InputError(f"{finding.what}. {finding.cure}; `python -m repro.doctor` tells more")


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
