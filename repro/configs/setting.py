"""The two kinds of record that the config tables are made of."""

from dataclasses import dataclass
from typing import Any

SOURCES = ("[A]", "[BYOL]", "[TracIn]", "[SimCLR]", "[Semixup]", "[us]")
"""Where a value comes from: the paper's abstract, Grill et al. 2020, Pruthi et al. 2020, Chen et al. 2020 (SimCLR), the
code of Nguyen et al. 2020 (Semixup), our own choice."""


@dataclass(frozen=True)
class Setting:
    """One value that a user can set.

    Args:
        value: the default; its type is the type that is accepted (an int is accepted for a float).
        source: one of `SOURCES`.
        help: what it is, and when to change it.
        choices: the values allowed, if they are few.
        low, high: the closed range allowed, for numbers (for lists: of every element).
        positive: whether 0 itself is not allowed.
        length: how many elements a list must have; None for any number from 1.
        optional: whether None is allowed beside the type of `kind`.
        kind: the accepted type where the default is None.
    """

    value: Any
    source: str
    help: str
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    positive: bool = False
    length: int | None = None
    optional: bool = False
    kind: type | None = None


@dataclass(frozen=True)
class Named:
    """A named config: what it is, where its values come from and what it costs, and the values."""

    doc: str
    values: dict[str, Any]
