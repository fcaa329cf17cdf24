"""Files of one's own: a mistake in one stops whoever names it, with its place, and nobody else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repro.errors import InputError
from repro.pretrain import objectives, selectors
from repro.pretrain.by_file import ByFile


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "ones_own"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "good.py").write_text("scores, OBJECTIVE = len, 3")
    (folder / "broken.py").write_text("def scores(batch)\n    return 1")
    (folder / "empty.py").write_text("x = 1")
    (folder / "lacking.py").write_text("from torch import no_such_name")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "ones_own"]:
        del sys.modules[name]


def test_a_file_that_is_no_python_is_told_by_whom_it_is_named_and_stops_no_other(package: Path):
    found = ByFile("ones_own", [str(package)], ("empty",), selectors._read)
    assert [*found] == ["broken", "good", "lacking"]
    assert found["good"].scores is len
    with pytest.raises(InputError, match=r"broken\.py, line 1: expected ':'; correct the file"):
        found["broken"]
    with pytest.raises(
        InputError, match=r"^ones_own/lacking\.py: cannot import name 'no_such_name' from 'torch'.*; correct"
    ):
        found["lacking"]
    with pytest.raises(KeyError):
        found["empty"]


def test_a_file_without_what_it_should_define_is_told(package: Path):
    with pytest.raises(InputError, match=r"empty\.py has no function 'scores'"):
        ByFile("ones_own", [str(package)], (), selectors._read)["empty"]
    of = ByFile("ones_own", [str(package)], (), objectives._read)
    with pytest.raises(InputError, match=r"empty\.py has no name OBJECTIVE"):
        of["empty"]
    with pytest.raises(InputError, match=r"good\.py has an OBJECTIVE that is no subclass of Objective"):
        of["good"]
