"""Folders of data sets."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return `$REPRO_DATA` (default `data`): one folder per data set, as its publisher lays it out."""
    return Path(os.environ.get("REPRO_DATA") or "data").resolve()


def prepared_folder() -> Path:
    """Return where decoded data sets are kept: in `$REPRO_RUNS` (default `runs`), since data may be read-only."""
    return Path(os.environ.get("REPRO_RUNS") or "runs").resolve() / "prepared"
