"""Who may do what: to the database, inside the containers, and where passwords are not."""

import dataclasses
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.container.conftest import IMAGE, Project, docker

pytestmark = pytest.mark.container

MARK = "/data/db/.initialising"
KIT = "open('/run/passwords/kit/uri').read()"


@pytest.fixture(scope="module")
def served(project: Project) -> Project:
    """The project, with a run in its database, the server at work, and Omniboard beside it."""
    project(
        *("run", "--rm", "-T", "reproduce", "python", "-m", "repro.run", "with", "random_init", "phantom", "smoke"),
        "evaluate.protocols=['knn']", "data.limit=100",
    )  # fmt: skip
    project("--profile", "dashboard", "up", "-d", "omniboard")
    return project


def passwords(project: Project) -> dict[str, str]:
    """Return user -> password, as only the one who owns the Docker engine can."""
    found = {}
    for user, file in (("admin", "password"), ("kit", "uri"), ("viewer", "uri")):
        mount = f"{project.name}_{user}-password:/secret:ro"
        as_mongodb = ("--user=999:999", "--entrypoint=cat", f"--volume={mount}")
        text = docker("run", "--rm", *as_mongodb, image(project), f"/secret/{file}")
        found[user] = text.split(":")[2].split("@")[0] if "@" in text else text.strip()
        assert len(found[user]) == 48
    return found


def image(project: Project) -> str:
    return docker("inspect", "--format={{.Image}}", project.container("mongo")).strip()


def asked(project: Project, address: str, question: str) -> str:
    """Return "allowed", or the code of the refusal, of a question asked by a container on the database's network."""
    code = f"""
from pymongo import MongoClient
from pymongo.errors import OperationFailure
client = MongoClient({address}, serverSelectionTimeoutMS=10000)
try:
    {question}
    print("allowed")
except OperationFailure as error:
    print("refused", error.code)
"""
    return project.python(code).strip().splitlines()[-1]


def test_nobody_without_a_password_may_do_anything(served: Project):
    anonymous = "'mongodb://mongo:27017/repro'"
    for question in ("client.repro.runs.find_one()", "client.repro.runs.insert_one({})", "client.list_databases()"):
        assert asked(served, anonymous, question) == "refused 13", question
    wrong = "'mongodb://kit:wrong@mongo:27017/repro'"
    assert asked(served, wrong, "client.repro.runs.find_one()") == "refused 18"


def test_the_kit_may_read_and_write_its_database_and_no_other(served: Project):
    assert asked(served, KIT, "client.repro.trial.insert_one({})") == "allowed"
    assert asked(served, KIT, "client.repro.trial.drop()") == "allowed"
    for question in (
        "client.other.runs.insert_one({})",
        "client.admin.system.users.find_one()",
        "client.repro.command('createUser', 'me', pwd='x', roles=[])",
        "client.admin.command('shutdown')",
    ):
        assert asked(served, KIT, question).startswith("refused"), question


def test_the_viewer_may_only_read(served: Project):
    viewer = repr(f"mongodb://viewer:{passwords(served)['viewer']}@mongo:27017/repro")
    assert asked(served, viewer, "client.repro.runs.find_one()") == "allowed"
    for question in (
        "client.repro.runs.insert_one({})",
        "client.repro.runs.delete_many({})",
        "client.repro.runs.update_many({}, {'$set': {'status': 'X'}})",
        "client.repro.drop_collection('runs')",
    ):
        assert asked(served, viewer, question) == "refused 13", question


def test_a_container_sees_no_password_but_its_own(served: Project):
    seen = served("run", "--rm", "-T", "reproduce", "find", "/run/passwords", "-type", "f", "-readable").stdout.split()
    assert seen == ["/run/passwords/kit/uri"]
    seen = docker("exec", served.container("omniboard"), "find", "/run/passwords", "-type", "f")
    assert seen.split() == ["/run/passwords/viewer/uri"]


def test_no_process_is_root_and_no_file_system_can_be_written_to(served: Project):
    for service in ("mongo", "omniboard"):
        name = served.container(service)
        users = [line.split()[1] for line in docker("top", name, "-eo", "pid,uid").splitlines()[1:]]
        assert users
        assert "0" not in users, service
        assert "Read-only file system" in docker("exec", name, "touch", "/here", check=False)
    code = "import os; print(os.getuid(), open('/proc/1/status').read()); open('/kit/repro/here', 'w')"
    done = served("run", "--rm", "-T", "reproduce", "python", "-c", code, check=1)
    assert done.stdout.split()[0] != "0"
    assert "NoNewPrivs:\t1" in done.stdout
    assert "CapBnd:\t0000000000000000" in done.stdout
    assert "Read-only file system" in done.stderr


def test_only_the_dashboard_is_published_and_only_to_this_machine(served: Project):
    for name in served.containers():
        ports = json.loads(docker("inspect", "--format={{json .NetworkSettings.Ports}}", name))
        hosts = {binding["HostIp"] for bindings in ports.values() for binding in bindings or []}
        assert hosts == ({"127.0.0.1"} if "omniboard" in name else set()), name


def test_no_password_is_in_an_image_an_environment_a_log_a_result_or_a_record(served: Project, tmp_path: Path):
    places = {}
    for name in served.containers():
        places[f"inspect {name}"] = docker("inspect", name)
        places[f"logs {name}"] = docker("logs", name)
        if name in served.running():
            places[f"top {name}"] = docker("top", name, "-ef")
            places[f"environ {name}"] = docker("exec", name, "sh", "-c", "cat /proc/[0-9]*/environ", check=False)
            assert "HOME=/tmp" in places[f"environ {name}"]
    kit = docker("inspect", "--format={{.Id}}", IMAGE).strip()
    places["image"] = docker("inspect", kit) + docker("history", "--no-trunc", kit)
    places["config"] = served("config").stdout
    dump = """
from repro.store import open_database
import pymongo
with open_database(writes=False) as database:
    for name in database.list_collection_names():
        for document in database[name].find():
            print(name, {k: v.decode("latin-1") if isinstance(v, bytes) else v for k, v in document.items()})
"""
    places["records"] = served.python(dump)
    assert "random_init" in places["records"]
    places["runs"] = served("run", "--rm", "-T", "reproduce", "tar", "--create", "runs", "results", text=False)
    places["runs"] = places["runs"].stdout.decode("latin-1")
    found = passwords(served)
    assert set(found) == {"admin", "kit", "viewer"}
    assert len(set(found.values())) == 3
    for user, password in found.items():
        assert [place for place, text in places.items() if password in text] == [], user


def test_results_that_belong_to_somebody_else_are_refused_in_one_line(served: Project):
    results = served.folder / "results"
    mode, user = results.stat().st_mode, results.stat().st_uid
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    try:
        os.chown(results, 4321, 4321)
        results.chmod(0o755)
        done = served("run", "--rm", "-T", "reproduce", "true", check=2)
        (line,) = (line for line in done.stderr.splitlines() if line.startswith("error"))
        assert "results belongs to user 4321" in line
        assert "REPRO_UID=4321" in line
        os.chown(results, 0, 0)
        assert "chown" in served("run", "--rm", "-T", "reproduce", "true", check=2).stderr
    finally:
        os.chown(results, user, user)
        results.chmod(mode)


def test_a_backup_holds_all_and_is_taken_back_by_another_machine(served: Project):
    refused = served("run", "--rm", "-T", "backup", check=2, text=False)
    assert b"stop it first" in refused.stderr
    assert refused.stdout == b""
    before = served.runs()
    served("--profile", "dashboard", "stop")
    archive = served("run", "--rm", "-T", "backup", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as listed:
        assert "run/passwords/kit/uri" in listed.getnames()

    other = dataclasses.replace(served, name=f"{served.name}b")
    try:
        damaged = other("run", "--rm", "-T", "restore", check=2, text=False, input=archive[: len(archive) // 2])
        assert b"nothing was restored" in damaged.stderr
        killed = f"touch {MARK} /data/db/WiredTiger"  # as a restore leaves it that was killed
        other("run", "--rm", "-T", "--entrypoint=sh", "restore", "-c", killed)
        other("run", "--rm", "-T", "restore", text=False, input=archive)
        assert other.runs() == before
        other("--profile", "dashboard", "stop")
        again = other("run", "--rm", "-T", "restore", check=2, text=False, input=archive)
        assert b"not overwritten" in again.stderr
    finally:
        other.remove()
