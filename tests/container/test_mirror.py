"""`docker compose up` without images, from a mirror of the official files: the scale medmnist ends with exit code 0."""

import json
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest

from repro.data.sources.lesions import METADATA, SPLIT_INFO
from repro.reproduce.study.cells import cells
from tests.container.conftest import Project, docker
from tests.data.file_server import FileServer, serving
from tests.data.test_fetch import lesion_tables
from tests.data.test_medmnist import arrays, written

pytestmark = pytest.mark.container

STUDY = "--methods random_init --seeds 0 --set evaluate.protocols=['knn']"
IMAGES = 60
"""In each split."""


def mirror(folder: Path) -> dict[str, bytes]:
    """What a mirror of the official files has of the scale medmnist, small."""
    written(folder, arrays(IMAGES))
    for name in ("pneumoniamnist", "breastmnist"):
        written(folder, arrays(IMAGES, channels=1, classes=2), name)
    return {**{file.name: file.read_bytes() for file in folder.iterdir()}, **lesion_tables(IMAGES)}


@pytest.fixture(scope="module")
def study(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, FileServer, str]:
    """The project when its study is done, the mirror that it asked, and what `up` said."""
    network = docker("network", "inspect", "--format={{(index .IPAM.Config 0).Subnet}}", "bridge")
    bridge = str(ip_network(network.strip())[1])
    env = project.folder / ".env"
    kept = [line for line in env.read_text().splitlines() if not line.startswith(("SCALE=", "REPRO_DATA="))]
    with serving(mirror(tmp_path_factory.mktemp("mirror")), bridge) as server:
        env.write_text("\n".join([*kept, f"REPRO_MIRROR={server.url}", f"STUDY_OPTIONS={STUDY}", ""]))
        done = project("up", stderr=subprocess.STDOUT, stdout=subprocess.PIPE, capture_output=False)
    return project, server, done.stdout


def test_it_ends_with_exit_code_0_and_the_page(study: tuple[Project, FileServer, str]):
    project, _, said = study
    for service in ("reproduce", "mongo", "passwords"):
        code = docker("inspect", "--format={{.State.ExitCode}}", project.container(service)).strip()
        assert code == "0", f"{service}\n{said}"
    assert (project.folder / "results" / "index.html").stat().st_size > 10_000
    assert "Traceback" not in said


def test_the_split_by_lesion_comes_from_the_tables_of_the_mirror(study: tuple[Project, FileServer, str]):
    project, server, _ = study
    asked = {request.name for request in server.requests if request.status == 200}
    assert asked == {"dermamnist.npz", "pneumoniamnist.npz", SPLIT_INFO, METADATA}
    found = json.loads(project.python(SPLITS).splitlines()[-1])
    planned = [cell.config["data"] for cell in cells("medmnist", ["random_init"], [0])]
    assert sorted(map(tuple, found)) == sorted((data["name"], data["split"]) for data in planned)
    assert ["dermamnist", "lesion"] in found
    assert {file.name for file in (project.folder / "data" / "medmnist").iterdir()} >= {SPLIT_INFO, METADATA}


SPLITS = """
import json
from repro.store import find_runs, open_database
with open_database(writes=False) as database:
    data = [run["config"]["data"] for run in find_runs(database, status="COMPLETED")]
print(json.dumps([[one["name"], one["split"]] for one in data]))
"""
