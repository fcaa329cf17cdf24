"""Where data sets lie."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return `$REPRO_DATA` (default `data`): one folder per data set."""
    return Path(os.environ.get("REPRO_DATA") or "data").resolve()
