"""The run database's life: a first start that is cut off, and how long it stays."""

import subprocess
import time

import pytest

from tests.container.conftest import Project, docker

pytestmark = pytest.mark.container

PING = ("run", "--rm", "-T", "reproduce", "python", "-m", "repro.db", "ping")


def until(what: str, seconds: float, true: object) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def has(project: Project, file: str) -> bool:
    name = project.container("mongo")
    return docker("exec", name, "sh", "-c", f"test -e {file} && echo there", check=False).strip() == "there"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_first_start_that_is_cut_off_is_begun_anew(project: Project, how: str):
    typed = subprocess.Popen([*project.compose, "up", "-d", "mongo"], cwd=project.folder, env=project.environment)
    until("a container", 60, lambda: [name for name in project.running() if "mongo" in name])
    until("the first files", 60, lambda: has(project, "/data/db/WiredTiger"))
    assert has(project, "/data/db/.initialising")
    docker(how, project.container("mongo"))
    typed.wait(300)
    assert "answers" in project(*PING).stdout
    assert not has(project, "/data/db/.initialising")
    project.remove()


def test_it_stays_for_a_container_that_is_not_connected_and_stops_when_nobody_is_there(project: Project):
    waits = "sleep 60; python -m repro.db ping"  # longer than IDLE_SECONDS of these tests
    assert "answers" in project("run", "--rm", "-T", "reproduce", "bash", "-c", waits).stdout
    until("the end of the database", 120, lambda: project.running() == [])
    assert docker("inspect", "--format={{.State.ExitCode}}", project.container("mongo")).strip() == "0"
    assert "nobody has used the run database for 40 s" in docker("logs", project.container("mongo"))


def test_offline_a_study_runs_that_was_begun_online_but_nothing_is_reached(project: Project):
    project("up", "--no-start", "reproduce")
    offline = ["-f", "docker-compose.yml", "-f", "docker/compose.offline.yml"]
    done = project(
        *offline, "run", "--rm", "-T", "reproduce",
        "docker/study.sh", "--no-fetch", "--methods", "random_init", "--seeds", "0",
    )  # fmt: skip
    assert "results/index.html" in done.stdout
    networks = docker("network", "ls", "--format={{.Name}}").split()
    assert "additional-positive-offline" in networks
    internal = docker("network", "inspect", "--format={{.Internal}}", "additional-positive-offline")
    assert internal.strip() == "true"
    probe = "import socket; socket.create_connection(('172.17.0.1', 2375), 3)"
    refused = project(*offline, "run", "--rm", "-T", "reproduce", "python", "-c", probe, check=1)
    assert "Network is unreachable" in refused.stderr
    project(*offline, "--profile", "dashboard", "down", "--volumes")
