"""The recipes that `python -m repro.reproduce tune` chose on validation images, by scale and method.

`recipes.json` holds them: scale -> method -> settings, the score of the candidate that won, and the runs behind it.
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
    """Return all recipes: scale -> method, or `EVERY` -> settings (dotted key -> value), score, runs."""
    return json.loads(FILE.read_text())


def recipe(named: Sequence[str]) -> dict[str, Any]:
    """Return the chosen settings, dotted key -> value, of the method and scale among named configs; empty for none."""
    found: dict[str, Any] = {}
    for scale in named:
        methods = chosen().get(scale, {})
        for method in (EVERY, *named):
            found |= methods.get(method, {}).get("settings", {})
    return found
