"""A cell gives the same encoder, bit for bit, with one job and with two, in the container and outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.container.conftest import IMAGE, Project, docker
from tests.test_front_doors import QUICK

pytestmark = pytest.mark.container

CELLS = ["--scale", "partners", "--methods", "byol", "byol_tracin", "--seeds", "0", "1"]

STUDIES = f"""
import hashlib, json, os, subprocess, sys
from repro.store import ENCODER, find_runs, open_database, read_artifact
for jobs in ("1", "2"):
    os.environ["REPRO_RUNS"] = os.path.join(sys.argv[1], jobs)
    words = ["run", *{CELLS}, "--jobs", jobs, "--set", *{QUICK}]
    subprocess.run([sys.executable, "-m", "repro.reproduce", *words], check=True, stdout=sys.stderr)
    with open_database(writes=False) as database:
        runs = find_runs(database, status="COMPLETED")
        encoders = {{run["info"]["cell"]: read_artifact(database, run, ENCODER) for run in runs}}
    print(json.dumps({{cell: hashlib.sha256(encoder).hexdigest() for cell, encoder in encoders.items()}}), flush=True)
"""


def hashes(said: str) -> list[dict[str, str]]:
    """Return cell -> SHA-256 of its encoder, with one job and with two."""
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def test_one_job_and_two_give_the_same_encoders_in_the_container_and_outside(project: Project, tmp_path: Path):
    apart = ("run", "--rm", "--network=none", "--tmpfs=/tmp:exec")
    inside = hashes(docker(*apart, IMAGE, "python", "-W", "ignore", "-c", STUDIES, "/tmp/runs"))
    line = [sys.executable, "-W", "ignore", "-c", STUDIES, str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    outside = hashes(done.stdout)
    assert len(inside) == len(outside) == 2
    assert len(inside[0]) == len(set(inside[0].values())) == 4
    assert inside[0] == inside[1] == outside[0] == outside[1]
