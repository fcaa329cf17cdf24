"""The recipes that `python -m repro.reproduce tune` chose on validation images, by scale and method.

`recipes.json` holds them: scale -> method -> settings, the score of the candidate that won, and the runs behind it; or,
for a method for which none was chosen yet, the method whose recipe it takes: `{"like": METHOD}`. Selectors on
BYOL take TracIn's, so that they differ in the choice of partners alone.
"""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("recipes.json")

EVERY = "every method"
"""Key of the settings that all methods of a scale share."""


@functools.cache
def chosen() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the recipes as the file has them: scale -> method, or `EVERY` -> settings, score and runs; or like."""
    return json.loads(FILE.read_text())


def recipe(named: Sequence[str]) -> dict[str, Any]:
    """Return the chosen settings, dotted key -> value, of the method and scale among named configs; empty for none."""
    found: dict[str, Any] = {}
    for scale in named:
        methods = chosen().get(scale, {})
        for method in (EVERY, *named):
            own = methods.get(method, {})
            found |= methods[own["like"]]["settings"] if "like" in own else own.get("settings", {})
    return found
