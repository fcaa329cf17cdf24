"""Who may do what: a real server that asks for a password, with users of several rights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from figures import __main__ as figures
from repro import db, run
from repro.errors import InputError
from repro.reproduce import __main__ as reproduce
from repro.store import find_runs, open_database
from tests.store.server import Server
from tests.test_front_doors import QUICK, at, refused

PASSWORD = "open-sesame-53"
RUN = ["with", "random_init", "phantom", "smoke", *QUICK]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a user who may read and write, and one who may only read."""
    server = Server(tmp_path_factory.mktemp("guarded"))
    server.start()
    with MongoClient("127.0.0.1", server.port, directConnection=True) as client:
        for user, role in (("kit", "readWrite"), ("reader", "read")):
            roles = [{"role": role, "db": "study"}]
            client["study"].command("createUser", user, pwd=PASSWORD, roles=roles)
    server.kill()
    server.start("--auth")
    yield server
    server.kill()


@pytest.fixture
def as_user(guarded: Server, monkeypatch: pytest.MonkeyPatch):
    def become(user: str, password: str = PASSWORD) -> None:
        monkeypatch.setenv("REPRO_MONGO_URI", f"mongodb://{user}:{password}@127.0.0.1:{guarded.port}/study")

    return become


@pytest.mark.parametrize(("user", "password"), [("kit", "wrong-key-77"), ("nobody", PASSWORD)])
def test_a_wrong_user_or_password_is_refused_in_one_line_without_it(as_user, capsys, user: str, password: str):
    as_user(user, password)
    line = refused(capsys, run.main, *RUN)
    assert "refused the user or the password" in line
    assert "authSource" in line
    assert password not in line


def test_no_user_at_all_is_refused_in_one_line(guarded: Server, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REPRO_MONGO_URI", f"mongodb://127.0.0.1:{guarded.port}/study")
    assert "refused the user or the password" in refused(capsys, run.main, *RUN)
    assert "refused the user or the password" in refused(capsys, db.main, "check")


def test_who_may_only_read_can_look_draw_and_export_but_not_run(as_user, capsys, tmp_path: Path):
    as_user("kit")
    assert at(run.main, *RUN) == 0
    as_user("reader")
    assert at(db.main, "check") == 0
    assert at(db.main, "export", str(tmp_path / "runs.zip")) == 0
    assert at(figures.main, "semi_supervised", "--out", str(tmp_path / "results")) == 0
    assert at(reproduce.main, "status", "--scale", "smoke") == 0
    capsys.readouterr()
    for main, arguments in ((run.main, RUN), (db.main, ["import", str(tmp_path / "runs.zip")])):
        line = refused(capsys, main, *arguments)
        assert "may read" in line
        assert "but not write" in line
        assert PASSWORD not in line
    with pytest.raises(InputError, match="but not write"), open_database():
        pass
    as_user("kit")
    with open_database() as database:
        assert len(find_runs(database)) == 1, "what was refused left no record"
