"""Everything a user can set, as data: base settings, and named configs that change some of them."""

from repro.configs.base import BASE
from repro.configs.datasets import DATASETS
from repro.configs.methods import METHODS, WITHOUT_PRETRAINING
from repro.configs.scales import SCALES
from repro.configs.setting import Named, Setting

NAMED: dict[str, Named] = {**METHODS, **DATASETS, **SCALES}

__all__ = ["BASE", "DATASETS", "METHODS", "NAMED", "SCALES", "WITHOUT_PRETRAINING", "Named", "Setting"]
