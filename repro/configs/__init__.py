"""Everything a user can set, as data: base settings, and named configs that change some of them."""

import itertools
from collections.abc import Mapping

from repro.configs.base import BASE
from repro.configs.datasets import DATASETS
from repro.configs.methods import METHODS, WITHOUT_PRETRAINING
from repro.configs.scales import SCALES
from repro.configs.setting import Named, Setting
from repro.errors import InputError


def named(methods: Mapping[str, Named], *others: Mapping[str, Named]) -> dict[str, Named]:
    """Return methods and other named configs together.

    Raises:
        InputError: two have one name, or the runs of a method would be stored under another name.
    """
    found = [*methods, *itertools.chain(*others)]
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"repro/configs: two named configs are called '{name}'; rename one")
    for name, method in methods.items():
        if method.values["method"]["name"] != name:
            raise InputError(
                f"repro/configs/methods.py: the config '{name}' has method.name={method.values['method']['name']}; "
                f"set it to '{name}', or its runs would be stored as another method's"
            )
    return dict(itertools.chain(methods.items(), *(other.items() for other in others)))


NAMED: dict[str, Named] = named(METHODS, DATASETS, SCALES)

__all__ = ["BASE", "DATASETS", "METHODS", "NAMED", "SCALES", "WITHOUT_PRETRAINING", "Named", "Setting", "named"]
