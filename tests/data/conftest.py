"""What the tests of data sets share."""

from pathlib import Path
from typing import Any

import pytest

from repro.data.prepare import decoders
from tests.data.pictures import make


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty $REPRO_DATA."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of 150 images: three chunks, the last one not full."""
    make(tmp_path / "source", 150)
    return tmp_path / "source"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where prepared sets go."""
    return tmp_path / "runs" / "prepared"


@pytest.fixture
def rows_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that calls give to decoding processes."""
    rows: list[int] = []
    real = decoders._answer

    def counted(process: Any, row: int, files: list[str]) -> Any:
        rows.extend(range(row, row + len(files)))
        return real(process, row, files)

    monkeypatch.setattr(decoders, "_answer", counted)
    return rows
