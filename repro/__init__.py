"""Reproduction kit: BYOL with an additional positive chosen by pairwise TracIn, on medical images."""

import os
import warnings
from typing import Any

from repro.installed import require

__version__ = "0.2.0"

require()

# A thread of OpenMP that waits for others sleeps; spinning, it takes the core that they need. OpenMP reads this once,
# when torch loads it, and whoever imports the kit comes here first.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Sacred 0.8.7 imports pkg_resources, which announces its own end; the lock holds a setuptools that still has it.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)


def __getattr__(name: str) -> Any:
    """Give `from repro import runs, load_encoder, prepared` what it asks for, imported when somebody does."""
    if name == "runs":
        from repro.records.access import runs

        return runs
    if name in ("load_encoder", "prepared"):
        from repro.records import encoders

        return getattr(encoders, name)
    raise AttributeError(f"module 'repro' has no attribute '{name}'")
