"""A clean checkout, and the real compose file run in it by a real Docker engine."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import REAL_DATA, ROOT

OWNER = 1234
"""User and group that the checkout belongs to where the tests run as root: a caller who is not the image's own user."""

IMAGE = "additional-positive:0.2.0"

SECONDS = 1800


def composes() -> list[list[str]]:
    """Return the commands of Compose that are there: version 2, and docker-compose 1.29."""
    commands = [["docker", "compose"], ["docker-compose"]]
    return [command for command in commands if shutil.which(command[0]) and _ok([*command, "version"])]


def _ok(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclasses.dataclass(frozen=True)
class Project:
    """A checkout with a compose project of its own.

    Args:
        folder: the checkout.
        name: the project's.
        compose: the command.
        port: where its Omniboard is published.
    """

    folder: Path
    name: str
    compose: list[str]
    port: int

    def __call__(self, *words: str, check: int | None = 0, **more: object) -> subprocess.CompletedProcess[str]:
        """Run Compose, with its output caught; `check` is the exit code that it must have."""
        done = subprocess.run(  # type: ignore[call-overload]
            [*self.compose, *words],
            cwd=self.folder,
            env=self.environment,
            timeout=SECONDS,
            check=False,
            **{"capture_output": True, "text": True, **more},
        )
        assert check is None or done.returncode == check, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("REPRO_")}
        return {**kept, "COMPOSE_PROJECT_NAME": self.name}

    def containers(self, *which: str) -> list[str]:
        """Return the names of the project's containers, also of those that have ended."""
        ours = f"label=com.docker.compose.project={self.name}"
        return docker("ps", "--all", "--filter", ours, *which, "--format={{.Names}}").split()

    def container(self, service: str) -> str:
        """Return the name of the container of a service."""
        (name,) = (n for n in self.containers() if n.replace("-", "_") == f"{self.name}_{service}_1")
        return name

    def running(self) -> list[str]:
        return self.containers("--filter", "status=running")

    def remove(self) -> None:
        """Take away all that the project made."""
        self("--profile", "dashboard", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def python(self, code: str) -> str:
        """Return what a few lines of Python print in a new container of the kit."""
        return self("run", "--rm", "-T", "reproduce", "python", "-c", code).stdout

    def runs(self) -> list[dict]:
        """Return id, status, method, seed and provenance of all stored runs."""
        return json.loads(self.python(RUNS).splitlines()[-1])


RUNS = """
import json
from repro.store import open_database
with open_database(writes=False) as database:
    print(json.dumps([
        {"id": run["_id"], "status": run["status"], "method": run["config"]["method"]["name"], "seed":
         run["config"]["seed"], "provenance": run["info"].get("provenance", {})}
        for run in database.runs.find().sort("_id")
    ]))
"""


def docker(*words: str, check: bool = True, **environment: str) -> str:
    """Return what docker prints on either stream."""
    done = subprocess.run(
        ["docker", *words],
        capture_output=True, text=True, check=False, timeout=SECONDS, env={**os.environ, **environment},
    )  # fmt: skip
    assert not check or done.returncode == 0, f"docker {words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def checkout(folder: Path) -> Path:
    """Make a clean checkout of the code as it is now, committed or not, that belongs to an ordinary user."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    if os.getuid() == 0:
        subprocess.run(["chown", "--recursive", f"{OWNER}:{OWNER}", str(folder)], check=True)
    return folder


def owner() -> int:
    return os.getuid() or OWNER


def new_project(folder: Path, compose: list[str]) -> Project:
    """Give a checkout its .env, as a person writes it."""
    port = free_port()
    told = {
        "SCALE": "smoke",
        "REPRO_UID": owner(),
        "REPRO_GID": os.getgid() or OWNER,
        "OMNIBOARD_PORT": port,
        "IDLE_SECONDS": 20,
        **({"REPRO_DATA": REAL_DATA} if (REAL_DATA / "medmnist" / "dermamnist.npz").exists() else {}),
    }
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in told.items()))
    return Project(folder, f"reprotest{uuid.uuid4().hex[:8]}", compose, port)


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """The command of Compose: $COMPOSE, else version 2 where it is there."""
    if not (shutil.which("docker") and _ok(["docker", "info"])):
        pytest.skip("needs a Docker engine")
    found = [os.environ["COMPOSE"].split()] if os.environ.get("COMPOSE") else composes()
    if not found:
        pytest.skip("needs Compose")
    return found[0]


@pytest.fixture(scope="module")
def project(compose: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of a module's own, its image built; all that it made is gone afterwards."""
    made = new_project(checkout(tmp_path_factory.mktemp("container") / "kit"), compose)
    made("build", "reproduce")
    yield made
    made.remove()
    # Images that a later build took the name of: only the kit's.
    docker("image", "prune", "--force", "--filter", "label=org.opencontainers.image.title=additional-positive")
