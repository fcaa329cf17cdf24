"""What tests share: a run database of their own, tiny images, and the real data sets where they are."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import medmnist
import numpy as np
import pytest
import torch
from pymongo.database import Database

from repro.configs.resolve import defaults
from repro.data import ImageSet
from repro.data import load as load_data
from repro.data.folder import prepared_folder
from repro.store import embedded, open_database
from repro.store.address import VARIABLES

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("REPRO_DATA") or ROOT.parent / "shared" / "data").resolve()

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="also the tests at the size of a claim, which take minutes each"
    )
    parser.addoption(
        "--container", action="store_true", help="also the tests that build the image and run the compose file"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for mark, why in (("thorough", "takes minutes"), ("container", "builds the image, and takes minutes")):
        if not config.getoption(f"--{mark}"):
            for item in items:
                if item.get_closest_marker(mark):
                    item.add_marker(pytest.mark.skip(reason=f"{why}; pytest --{mark} runs it"))
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)
    # Slow ones first: then no process is left with a long test while the others have nothing to do.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_report_header() -> str:
    found = (REAL_DATA / "medmnist" / "dermamnist.npz").exists()
    return f"real images: {REAL_DATA if found else 'none, so tests that need them are skipped (set REPRO_DATA)'}"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's runs, results and database, and from the network."""
    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("REPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPRO_MIRROR", str(tmp_path / "mirror"))  # there is none: a download fails at once
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server that all tests share. It keeps its data in memory where there is room."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4e9
    with (
        tempfile.TemporaryDirectory(dir=memory if roomy else tmp_path_factory.getbasetemp()) as folder,
        embedded.server(Path(folder)) as uri,
    ):
        yield uri


@pytest.fixture
def database(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty run database of the test's own."""
    monkeypatch.setenv("REPRO_MONGO_URI", f"{server}test_{uuid.uuid4().hex[:12]}")
    with open_database() as database:
        yield database
        database.client.drop_database(database.name)


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real data sets."""
    if not (REAL_DATA / "medmnist" / "dermamnist.npz").exists():
        pytest.skip(f"no real images in {REAL_DATA}; set REPRO_DATA")
    monkeypatch.setenv("REPRO_DATA", str(REAL_DATA))
    return REAL_DATA


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `$REPRO_DATA/medmnist`, with medmnist's own cache out of sight."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    monkeypatch.setattr(medmnist.info, "DEFAULT_ROOT", str(tmp_path / "cache"))
    return tmp_path / "medmnist"


def load(name: str, size: int, split: str, limit: int | None = None, **settings: object) -> ImageSet:
    """Read a data set with the settings that differ from the defaults."""
    given = {"name": name, "size": size, "split": split, "limit": limit, **settings}
    return load_data({**defaults()["data"], **given}, prepared_folder())


@pytest.fixture
def tiny() -> ImageSet:
    """96 noisy images, 28 px, whose two classes differ in where they are bright; pairs of images form groups."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1], 48))
    images = rng.integers(0, 120, (96, 28, 28, 3), dtype=np.uint8)
    images[labels == 0, :14] += 100
    images[labels == 1, 14:] += 100
    split = np.repeat(["train", "val", "test"], [64, 16, 16])
    return ImageSet("tiny", images, labels, split, ("up", "down"), groups=np.arange(96) // 2)
