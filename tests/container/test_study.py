"""`docker compose up`, from a clean checkout to the page: stopped once and killed once on the way, and typed again."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container.conftest import Project, docker, owner

pytestmark = pytest.mark.container

CELLS = 14
CHECKPOINT = "latest.safetensors"


def up_into(project: Project, log: Path, cell: str) -> subprocess.Popen:
    """Type `up`, and return it when a cell is at work and has a checkpoint."""
    with log.open("w") as output:
        typed = subprocess.Popen(
            [*project.compose, "up"], cwd=project.folder, env=project.environment, stdout=output, stderr=output
        )
    deadline = time.monotonic() + 900
    while not re.search(rf": {cell} dermamnist seed=0($|  \[)", log.read_text(), re.MULTILINE) or not saved(project):
        assert typed.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return typed


def saved(project: Project) -> bool:
    find = ["find", "runs/checkpoints", "-name", CHECKPOINT]
    return CHECKPOINT in docker("exec", project.container("reproduce"), *find, check=False)


@pytest.fixture(scope="module")
def study(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """The project when its study is done, stopped once and killed once, and what the last `up` said."""
    logs = tmp_path_factory.mktemp("logs")
    stopped = up_into(project, logs / "stopped", "byol")
    project("stop")
    stopped.wait(120)
    killed = up_into(project, logs / "killed", "byol_random")
    docker("kill", project.container("reproduce"))
    killed.wait(300)
    assert "resuming from the checkpoint after epoch" in (logs / "killed").read_text()
    done = project("up", stderr=subprocess.STDOUT, stdout=subprocess.PIPE, capture_output=False)
    return project, done.stdout


def test_it_ends_by_itself_with_the_page_which_is_the_callers(study: tuple[Project, str]):
    project, _ = study
    assert project.running() == []
    for service in ("reproduce", "mongo", "passwords"):
        assert docker("inspect", "--format={{.State.ExitCode}}", project.container(service)).strip() == "0", service
    page = project.folder / "results" / "index.html"
    assert page.stat().st_size > 100_000
    assert {file.stat().st_uid for file in (project.folder / "results").rglob("*")} == {owner()}


def test_what_was_stopped_and_what_was_killed_is_on_record_and_every_cell_has_one_whole_run(
    study: tuple[Project, str],
):
    project, _ = study
    runs = project.runs()
    assert [run["status"] for run in runs].count("COMPLETED") == CELLS
    interrupted = [run["method"] for run in runs if run["status"] == "INTERRUPTED"]
    assert {"byol", "byol_random"} <= set(interrupted), "and those that ran beside them"
    assert len(runs) == CELLS + len(interrupted)
    project("run", "--rm", "-T", "reproduce", "python", "-m", "repro.db", "check")


def test_the_killed_run_went_on_to_the_bits_of_an_uninterrupted_one(study: tuple[Project, str]):
    project, said = study
    assert "resuming from the checkpoint after epoch" in said
    killed = next(run for run in project.runs() if (run["status"], run["method"]) == ("COMPLETED", "byol_random"))
    verdict = project("run", "--rm", "-T", "reproduce", "python", "-m", "repro.reproduce", "verify", str(killed["id"]))
    assert "identical" in verdict.stdout


def test_every_run_says_which_commit_and_image_made_it(study: tuple[Project, str]):
    project, _ = study
    stamp = project.python("print(open('image.json').read())")
    # Asked of the checkout that the project's is a clone of: git distrusts folders that belong to somebody else.
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    for run in project.runs():
        if run["status"] == "COMPLETED":
            assert run["provenance"]["commit"] == head.stdout.strip()
            assert run["provenance"]["image_id"] in stamp
            assert run["provenance"]["image_id"].startswith("sha256:")


def test_down_and_up_again_keep_every_run_and_train_nothing(study: tuple[Project, str]):
    project, _ = study
    before = project.runs()
    tables = {file: file.read_bytes() for file in (project.folder / "results").rglob("*.md")}
    project("down")
    said = project("up", stderr=subprocess.STDOUT, stdout=subprocess.PIPE, capture_output=False).stdout
    assert said.count("already done, skipped") == CELLS
    assert project.runs() == before
    assert {file: file.read_bytes() for file in (project.folder / "results").rglob("*.md")} == tables


def test_figures_are_redrawn_alone(study: tuple[Project, str]):
    project, _ = study
    page = project.folder / "results" / "index.html"
    drawn = page.read_bytes()
    page.unlink()
    project("run", "--rm", "-T", "figures")
    assert page.read_bytes() == drawn
