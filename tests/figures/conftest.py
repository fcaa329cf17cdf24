"""A real embedded database per test module, filled with synthetic runs by the module itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo.database import Database

from figures.__main__ import main
from repro.store import open_database


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Path]]:
    """A run database of this module's own, and its runs folder."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_RUNS", str(folder))
        patch.delenv("REPRO_MONGO_URI", raising=False)
        with open_database() as database:
            yield database, folder


@pytest.fixture
def database(server: tuple[Database, Path], own_folders: None, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The module's database, emptied, and the one that the environment names."""
    database, folder = server
    monkeypatch.setenv("REPRO_RUNS", str(folder))
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
