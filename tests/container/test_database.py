"""The run database's life: a first start that is cut off, and how long it stays."""

import json
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
    waits = "sleep 40; python -m repro.db ping"  # longer than IDLE_SECONDS of these tests
    assert "answers" in project("run", "--rm", "-T", "reproduce", "bash", "-c", waits).stdout
    until("the end of the database", 120, lambda: project.running() == [])
    assert docker("inspect", "--format={{.State.ExitCode}}", project.container("mongo")).strip() == "0"
    assert "no connection to the run database for 20 s" in docker("logs", project.container("mongo"))


def test_offline_a_study_begun_online_goes_on_and_no_network_of_its_leads_out(project: Project):
    project("up", "--no-start", "reproduce")
    offline = ["-f", "docker-compose.yml", "-f", "docker/compose.offline.yml"]
    study = ["docker/study.sh", "--no-fetch", "--methods", "random_init", "--seeds", "0"]
    assert "results/index.html" in project(*offline, "run", "--rm", "-T", "reproduce", *study).stdout
    name = f"{project.name}-offline"
    project(*offline, "run", "--detach", "--name", name, "reproduce", "sleep", "60")
    networks = json.loads(docker("inspect", "--format={{json .NetworkSettings.Networks}}", name))
    assert len(networks) == 2
    for network in networks:
        assert docker("network", "inspect", "--format={{.Internal}}", network).strip() == "true", network
    docker("rm", "--force", name)
    project(*offline, "--profile", "dashboard", "down", "--volumes", "--timeout", "5")


def test_many_checks_at_once_ask_the_database_once(project: Project):
    """As on a machine so busy that each check outlives its timeout."""
    project("up", "-d", "mongo")
    name = project.container("mongo")
    health = "--format={{.State.Health.Status}}"
    until("a healthy database", 600, lambda: docker("inspect", health, name).strip() == "healthy")
    # mongosh, slowed down, and counted; the port alone must not do.
    slow = "mongosh() { echo x >>/tmp/asked; sleep 3; }; export -f mongosh; rm -f /tmp/answered /tmp/asked; "
    checks = "for _ in 1 2 3 4 5; do bash /docker/healthy.sh & done; "
    results = "for job in $(jobs -p); do wait $job || exit 1; done; wc -l </tmp/asked"
    assert docker("exec", name, "bash", "-c", slow + checks + results).strip() == "1"
    project.remove()
