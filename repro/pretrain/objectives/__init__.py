"""Pretraining objectives: BYOL with or without an additional positive, and other methods.

An objective is a file here with a subclass of `Objective` named `OBJECTIVE`; its name, for `method.objective`, is the
file's. docs/extend.md adds one.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from repro.configs import WITHOUT_PRETRAINING
from repro.errors import InputError, did_you_mean
from repro.pretrain.objectives.base import Objective

SHARED = ("base", "partnered", "siamese")
"""Files here that are no objectives: what several of them share."""


class _Objectives(Mapping[str, type[Objective]]):
    """Every objective by the name of its file, imported when it is asked for: the rivals' libraries are large."""

    def __init__(self) -> None:
        self._names = [file.name for file in pkgutil.iter_modules(__path__) if file.name not in SHARED]

    def __getitem__(self, name: str) -> type[Objective]:
        if name not in self._names:
            raise KeyError(name)
        found: type[Objective] = importlib.import_module(f"{__name__}.{name}").OBJECTIVE
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


OBJECTIVES: Mapping[str, type[Objective]] = _Objectives()
"""By `method.objective`."""


def used_objective(config: dict[str, Any]) -> type[Objective]:
    """Return the class that pretrains with this config.

    Raises:
        InputError: there is no such objective, or it cannot do what the config asks of it.
    """
    name = config["method"]["objective"]
    if name not in OBJECTIVES:
        known = (*WITHOUT_PRETRAINING, *OBJECTIVES)
        raise InputError(
            f"method.objective: no objective '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}"
        )
    found = OBJECTIVES[name]
    if config["selector"]["name"] != "none":
        partnered = found.with_partners()
        if partnered is None:
            raise InputError(
                f"selector.name={config['selector']['name']}: {name} takes no additional positive; leave selector.name "
                "out, or take byol, simsiam or simclr"
            )
        found = partnered
    found.check(config)
    return found


__all__ = ["OBJECTIVES", "Objective", "used_objective"]
