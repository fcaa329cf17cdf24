"""The run database for other machines: by TLS, with a password, to whoever has an invitation."""

import dataclasses
import io
import os
import socket
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container.conftest import Project, free_port

pytestmark = pytest.mark.container

FILES = ["-f", "docker-compose.yml", "-f", "docker/compose.cluster.yml"]


@pytest.fixture(scope="module")
def cluster(project: Project) -> Iterator[Project]:
    port = free_port()
    env = project.folder / ".env"
    before = env.read_text()
    env.write_text(f"{before}CLUSTER_HOST=127.0.0.1\nCLUSTER_PORT={port}\n")
    made = dataclasses.replace(project, compose=[*project.compose, *FILES], port=port)
    made("up", "-d", "--build", "gate")
    yield made
    made.remove()
    env.write_text(before)


@pytest.fixture(scope="module")
def invitation(cluster: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a worker where its invitation was unpacked."""
    folder = tmp_path_factory.mktemp("worker")
    assert b"name the folder" in cluster("run", "--rm", "-T", "invite", check=2, text=False).stderr
    archive = cluster("run", "--rm", "-T", "invite", str(folder), text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        content.extractall(folder, filter="data")
    return folder


def ping(uri_file: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k != "REPRO_MONGO_URI"}
    told = {**kept, "REPRO_MONGO_URI_FILE": str(uri_file)}
    command = [sys.executable, "-m", "repro.db", "ping"]
    return subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)


def test_a_worker_with_an_invitation_reaches_the_database_from_outside(invitation: Path, cluster: Project):
    assert (invitation / "uri").stat().st_mode & 0o077 == 0
    done = ping(invitation / "uri")
    assert (done.returncode, done.stdout) == (0, f"run database mongodb://127.0.0.1:{cluster.port}/repro answers\n")


def test_who_lacks_the_certificate_or_the_password_or_speaks_plainly_is_turned_away(
    invitation: Path, cluster: Project, tmp_path: Path
):
    address = (invitation / "uri").read_text()
    for what, altered, complaint in (
        ("plain", address.partition("?")[0], "no run database answers"),
        ("certificate", address.partition("&")[0], "no run database answers"),
        ("password", address.replace("kit:", "kit:x"), "refused the user or the password. Check REPRO_MONGO_URI_FILE"),
    ):
        (tmp_path / what).write_text(altered)
        refused = ping(tmp_path / what)
        assert refused.returncode == 2, what
        assert complaint in refused.stderr, what
    assert ping(invitation / "uri").returncode == 0


def test_the_gate_speaks_modern_tls_and_shows_the_certificate_of_the_invitation(invitation: Path, cluster: Project):
    context = ssl.create_default_context(cafile=invitation / "certificate.pem")
    with (
        socket.create_connection(("127.0.0.1", cluster.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
