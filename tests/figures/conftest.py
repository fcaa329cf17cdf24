"""A database of the real server per test module, filled with synthetic runs by the module itself."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.database import Database

from figures.__main__ import main
from repro.store import open_database


@pytest.fixture(scope="module")
def stored(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, str]]:
    """A run database of this module's own, and its address."""
    address = f"{server}figures_{uuid.uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("REPRO_MONGO_URI", address)
        with open_database() as database:
            yield database, address
            database.client.drop_database(database.name)


@pytest.fixture
def database(stored: tuple[Database, str], own_folders: None, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The module's database, emptied, and the one that the environment names."""
    database, address = stored
    monkeypatch.setenv("REPRO_MONGO_URI", address)
    database.runs.delete_many({})
    database.metrics.delete_many({})
    return database


@pytest.fixture
def draw(tmp_path: Path):
    """Draw what the database holds, and return the results folder."""

    def drawn(*names: str, out: str = "results") -> Path:
        main([*names, "--out", str(tmp_path / out)])
        return tmp_path / out

    return drawn
