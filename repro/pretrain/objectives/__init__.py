"""Pretraining objectives: BYOL with or without an additional positive, and other methods.

An objective is a file here with a subclass of `Objective` named `OBJECTIVE`; its name, for `method.objective`, is the
file's. docs/extend.md adds one.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from repro.configs import METHODS, WITHOUT_PRETRAINING
from repro.configs.resolve import resolve
from repro.errors import InputError, did_you_mean
from repro.pretrain.by_file import ByFile
from repro.pretrain.objectives.base import Objective

SHARED = ("base", "partnered", "siamese")
"""Files here that are no objectives: what several of them share."""


def _read(module: ModuleType) -> type[Objective]:
    found = getattr(module, "OBJECTIVE", None)
    if not (isinstance(found, type) and issubclass(found, Objective)):
        what = "no name OBJECTIVE" if found is None else "an OBJECTIVE that is no subclass of Objective"
        raise InputError(f"{module.__file__} has {what}; docs/extend.md shows a method")
    return found


OBJECTIVES: Mapping[str, type[Objective]] = ByFile(__name__, __path__, SHARED, _read)
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
    _check_name(config["method"]["name"], name)
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


def _check_name(method: str, objective: str) -> None:
    """Raise InputError where the results of one method would stand under another's name."""
    if method in METHODS:
        own = resolve([method])["method"]["objective"]
        if own != objective:
            raise InputError(
                f"method.objective={objective} under the name of {method}, whose objective is {own}; set method.name "
                f"too, for example method.name={objective}"
            )


__all__ = ["OBJECTIVES", "Objective", "used_objective"]
