"""The two kinds of record that the config tables are made of."""

from dataclasses import dataclass
from typing import Any

SOURCES = (
    "[A]", "[BYOL]", "[TracIn]", "[SimCLR]", "[Semixup]", "[LARS]", "[Tian]", "[SimSiam]", "[MoCo]", "[Barlow]",
    "[VICReg]", "[SwAV]", "[DINO]", "[GMML]", "[MONAI]", "[FixMatch]", "[us]",
)  # fmt: skip
"""Where a value comes from: the paper's abstract, Grill et al. 2020, Pruthi et al. 2020, Chen et al. 2020 (SimCLR), the
code of Nguyen et al. 2020 (Semixup), You et al. 2017 (LARS), Tian et al. 2021 (arXiv 2102.06810), Chen and He 2021
(SimSiam), He et al. 2020 and Chen et al. 2020 (MoCo v2), Zbontar et al. 2021 (Barlow Twins), Bardes et al. 2022 (VICReg),
Caron et al. 2020 (SwAV) and 2021 (DINO), Atito et al. 2022 (GMML), MONAI's tutorial of self-supervised pretraining, Sohn
et al. 2020 (FixMatch), our own choice."""

ALWAYS = object()
"""A setting that every stored run has."""


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
        several: whether a list may be given in place of one value.
        absent: what runs did that were stored before the setting existed. A config with this value has the hash that it
            had without the setting, so that older runs are still found.
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
    several: bool = False
    absent: Any = ALWAYS


@dataclass(frozen=True)
class Named:
    """A named config: what it is, where its values come from and what it costs, and the values."""

    doc: str
    values: dict[str, Any]
