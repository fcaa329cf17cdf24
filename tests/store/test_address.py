"""The run database that the environment names, by value or by file."""

from pathlib import Path

import pytest

from repro.errors import InputError
from repro.store.address import named_address


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPRO_MONGO_URI_FILE", str(tmp_path / "uri"))
    return tmp_path / "uri"


def test_it_is_the_embedded_server_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch):
    assert named_address() is None
    monkeypatch.setenv("REPRO_MONGO_URI", "")
    monkeypatch.setenv("REPRO_MONGO_URI_FILE", "")
    assert named_address() is None


def test_a_file_is_read_each_time_without_the_end_of_its_line(file: Path):
    file.write_text("mongodb://me:hunter2@here/repro\n")
    assert named_address() == "mongodb://me:hunter2@here/repro"
    file.write_text("mongodb://me:hunter3@here/repro")
    assert named_address() == "mongodb://me:hunter3@here/repro"


def test_an_address_named_twice_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch):
    file.write_text("mongodb://me:hunter2@here/repro")
    monkeypatch.setenv("REPRO_MONGO_URI", "mongodb://me:hunter2@here/repro")
    with pytest.raises(InputError, match="both set") as error:
        named_address()
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "no text")]
)
def test_a_file_that_holds_no_address_is_named_with_the_reason(file: Path, content: bytes | None, complaint: str):
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as error:
        named_address()
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
