"""The image: what it is made of, and that two of one commit are made of the same."""

import json
import subprocess

import pytest

from tests.container.conftest import IMAGE, Project, docker

pytestmark = pytest.mark.container


def in_image(image: str, *words: str) -> str:
    return docker("run", "--rm", "--network=none", "--entrypoint", words[0], image, *words[1:])


def test_two_builds_of_one_commit_hold_the_same_packages_and_files(project: Project):
    other = f"{project.name}-again"
    # The stage that the image is copied from: the copy is 7 GB more. BuildKit would keep 7 GB after `rmi`.
    build = ("build", "--no-cache", "--target", "code", "--tag", other, str(project.folder))
    docker(*build, DOCKER_BUILDKIT="0")
    try:
        ours, theirs = (json.loads(in_image(image, "cat", "image.json")) for image in (IMAGE, other))
        assert ours == theirs
        listing = "from importlib.metadata import distributions as d; print(sorted((x.name, x.version) for x in d()))"
        assert in_image(IMAGE, "python", "-c", listing) == in_image(other, "python", "-c", listing)
    finally:
        docker("rmi", other)


def test_a_change_of_code_is_on_record_and_rebuilds_no_package(project: Project):
    file, built = project.folder / "repro" / "run.py", [f"{project.name}-before", f"{project.name}-after"]
    kept = file.read_bytes()
    try:
        for image, content in zip(built, (kept, kept + b"# changed\n"), strict=True):
            file.write_bytes(content)
            docker("build", "--tag", image, str(project.folder))
        layers = [json.loads(docker("inspect", "--format={{json .RootFS.Layers}}", image)) for image in built]
        assert layers[0][:-1] == layers[1][:-1]  # only the last one is new
        assert layers[0] != layers[1]
        stamps = [json.loads(in_image(image, "cat", "image.json")) for image in built]
        assert stamps[0]["commit"] == stamps[1]["commit"]
        assert stamps[1]["dirty"] is True
        assert stamps[0]["image_id"] != stamps[1]["image_id"]
    finally:
        file.write_bytes(kept)
        docker("rmi", *built, check=False)


def test_it_needs_no_git_holds_no_history_and_runs_as_whoever_it_is_told(project: Project):
    names = in_image(IMAGE, "sh", "-c", "which git uv; find / -name .git -not -path '/proc/*' 2>/dev/null; ls -A /kit")
    assert set(names.split()) == {
        *("CITATION.cff", "LICENSE", "README.md", "data", "docker", "figures", "image.json", "pyproject.toml", "repro"),
        *("results", "runs", "uv.lock"),
    }
    somebody = ("--read-only", "--tmpfs=/tmp", "--user=4321:4321")
    assert "dermamnist" in docker("run", "--rm", *somebody, IMAGE, "python", "-m", "repro.data", "list")
    labels = json.loads(docker("inspect", "--format={{json .Config.Labels}}", IMAGE))
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_its_health_is_whether_the_run_database_answers(project: Project):
    health = json.loads(docker("inspect", "--format={{json .Config.Healthcheck.Test}}", IMAGE))
    assert health[0] == "CMD"
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--env=REPRO_MONGO_URI=mongodb://127.0.0.1:1/", IMAGE, *health[1:]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no run database answers at 127.0.0.1:1" in done.stderr
    assert "answers" in docker("run", "--rm", "--network=none", IMAGE, *health[1:])
