"""Is the environment there? Asked before anything of it is imported: Python's own traceback helps nobody here."""

import importlib.util
import sys
from collections.abc import Callable, Sequence

NEEDED = ("numpy", "pandas", "pymongo", "sacred")
"""Packages that stand for the whole locked environment, all of which `make setup` installs."""


def missing(packages: Sequence[str] = NEEDED, found: Callable[[str], object] = importlib.util.find_spec) -> str:
    """Return one line that says what this Python lacks and what to type instead; empty where nothing is missing."""
    lacking = [name for name in packages if found(name) is None]
    if not lacking:
        return ""
    return (
        f"{sys.executable} has no package {', '.join(lacking)}: it is not the kit's environment. Run `make setup` "
        "once, then type .venv/bin/python for python, or activate the environment with `source .venv/bin/activate`"
    )


def require() -> None:
    """End a command (exit code 2), or raise ImportError in other code, where the environment is not there."""
    if "repro.doctor" in sys.orig_argv:  # it needs none of them, and says more
        return
    if problem := missing():
        if sys.argv[:1] == ["-m"]:  # `python -m repro.run`: Python looks for the module now
            print(f"error: {problem}", file=sys.stderr)
            sys.exit(2)
        raise ImportError(problem)
