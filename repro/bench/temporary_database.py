"""A run database and a runs folder for a benchmark alone."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from pymongo.database import Database

from repro.store import embedded, open_database
from repro.store.address import FILE, URI
from repro.store.connect import DATABASE


@contextlib.contextmanager
def own_database() -> Iterator[Database]:
    """Yield an empty run database. This process, and those that it starts, know no other; it is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with embedded.server(folder / "server") as address:
            places = {"REPRO_RUNS": str(folder / "runs"), URI: f"{address}{DATABASE}", FILE: ""}
            with mock.patch.dict(os.environ, places), open_database() as database:
                yield database
