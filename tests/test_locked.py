"""The locked environment holds whatever the package index is: its hashes are enforced, not its address."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import ROOT

WHEEL = "tiny_thing-1.0-py3-none-any.whl"
PYPROJECT = """
[project]
name = "kit"
version = "1"
requires-python = ">=3.11"
dependencies = ["tiny-thing>=1"]
[tool.uv]
package = false
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def index(folder: Path) -> Iterator[str]:
    """The address of a package index that holds one package."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def published(folder: Path, says: str = "hello") -> None:
    """Write the package and the pages of its index."""
    place = folder / "simple" / "tiny-thing"
    place.mkdir(parents=True, exist_ok=True)
    about = {
        "tiny_thing.py": f"SAYS = {says!r}\n",
        "tiny_thing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n",
        "tiny_thing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(place / WHEEL, "w") as wheel:
        about["tiny_thing-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in about)
        for name, text in about.items():
            wheel.writestr(zipfile.ZipInfo(name), text)  # without the time of day: the same bytes each time
    digest = hashlib.sha256((place / WHEEL).read_bytes()).hexdigest()
    (place / "index.html").write_text(f'<a href="{WHEEL}#sha256={digest}">{WHEEL}</a>')


def call(project: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_", "VIRTUAL_ENV"))}
    own |= {
        "PATH": f"{Path(sys.executable).parent}:{own['PATH']}",
        "UV_CACHE_DIR": str(project / "cache"),
        **environment,
    }
    return subprocess.run(words, cwd=project, env=own, capture_output=True, text=True, timeout=120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose lock was made with one index, under the address that the kit's own lock has."""
    if shutil.which("uv", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("uv is not installed beside this Python")
    made = tmp_path / "kit"
    made.mkdir()
    (made / "pyproject.toml").write_text(PYPROJECT)
    published(tmp_path / "first")
    with index(tmp_path / "first") as address:
        done = call(made, "uv", "lock", UV_DEFAULT_INDEX=address)
        assert done.returncode == 0, done.stderr
    (usual,) = set(re.findall(r'registry = "([^"]+)"', (ROOT / "uv.lock").read_text()))
    lock = (made / "uv.lock").read_text()
    (made / "uv.lock").write_text(lock.replace(address, usual))
    assert call(made, "uv", "venv", "--python", sys.executable, "env").returncode == 0
    return made


def installed(project: Path, address: str) -> subprocess.CompletedProcess[str]:
    return call(project, str(ROOT / "docker" / "locked.sh"), VIRTUAL_ENV=str(project / "env"), UV_DEFAULT_INDEX=address)


def test_a_mirror_serves_what_the_lock_names(project: Path, tmp_path: Path):
    published(tmp_path / "mirror")
    shutil.rmtree(project / "cache")
    with index(tmp_path / "mirror") as address:
        done = installed(project, address + "/")  # another spelling is another address, too
    assert done.returncode == 0, done.stderr
    said = call(project, "env/bin/python", "-c", "import tiny_thing; print(tiny_thing.SAYS)")
    assert said.stdout == "hello\n"


def test_a_mirror_that_serves_another_file_under_its_name_is_refused(project: Path, tmp_path: Path):
    published(tmp_path / "mirror", says="bye")
    shutil.rmtree(project / "cache")
    with index(tmp_path / "mirror") as address:
        done = installed(project, address)
    assert done.returncode != 0
    assert "hash" in done.stderr.lower()
    assert call(project, "env/bin/python", "-c", "import tiny_thing").returncode == 1


def test_a_lock_that_does_not_fit_the_project_is_refused(project: Path, tmp_path: Path):
    (project / "pyproject.toml").write_text(PYPROJECT.replace(">=1", ">=0.5"))
    with index(tmp_path / "first") as address:
        done = installed(project, address)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: uv.lock does not fit pyproject.toml")


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", "docker/dev.Dockerfile"])
def test_every_environment_is_made_so(file: str):
    text = (ROOT / file).read_text()
    assert "locked.sh --" in text
    assert "uv sync" not in text
