"""Errors of the run database, as a person meets them."""

import socket

import pytest

from repro.errors import InputError
from repro.store import open_database, runs_folder
from tests.store.answering import answering


def message(**environment: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        with pytest.raises(InputError) as error, open_database():
            pass
    return str(error.value)


def test_an_unreachable_database_is_named_without_its_password():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = message(REPRO_MONGO_URI=f"mongodb://me:hunter2@127.0.0.1:{port}/repro")
    assert f"no run database answers at 127.0.0.1:{port}" in text
    assert "hunter2" not in text
    assert "\n" not in text


@pytest.mark.parametrize("uri", ["mongodb://me:hun/ter2@host/x", "nonsense", "mongodb://", "mongodb://h:port/"])
def test_a_malformed_address_is_refused_without_repeating_it(uri: str):
    text = message(REPRO_MONGO_URI=uri)
    assert "REPRO_MONGO_URI is not a usable MongoDB address" in text
    assert "ter2" not in text


def test_a_runs_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert "REPRO_RUNS: cannot make" in message(REPRO_RUNS=str(tmp_path / "file" / "runs"))


def test_runs_folder_is_made_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "a" / "b"))
    assert runs_folder() == tmp_path / "a" / "b"
    assert runs_folder().is_dir()


def test_a_server_that_is_too_old_for_the_driver_is_told_as_such_and_not_as_absent():
    with answering(wire=6) as uri:  # MongoDB 3.6
        text = message(REPRO_MONGO_URI=uri)
    assert "does not fit this kit's driver: Server at 127.0.0.1:" in text
    assert "reports wire version 6" in text
    assert "unset REPRO_MONGO_URI to use the embedded one" in text
    assert "Start it" not in text


def test_a_server_that_refuses_the_database_is_quoted():
    """MongoDB takes no two names that differ in case alone."""
    said = "db already exists with different case already have: [study] trying to create [Study]"
    with answering(ok=0.0, code=13297, codeName="DatabaseDifferCase", errmsg=said) as uri:
        text = message(REPRO_MONGO_URI=uri)
    assert f"refuses 'Study': {said} (code 13297). Correct REPRO_MONGO_URI" in text
