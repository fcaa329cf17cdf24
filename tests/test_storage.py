"""Runs on storage that cannot link, lock, or sync folders: recorded all the same, or refused in one line at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.storage import storage
from tests.test_front_doors import QUICK

RUN = ["repro.run", "with", "byol", "phantom", "smoke", *QUICK, "evaluate.protocols=['knn']"]


def on(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    own = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    line = [sys.executable, "-W", "ignore", "-m", *words]
    return subprocess.run(line, cwd=ROOT, env=own, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_a_run_is_recorded_on_storage_without_links_and_without_fsync_of_folders(tmp_path: Path):
    environment = storage(tmp_path, "NO_LINKS", "NO_FOLDER_SYNC")
    done = on(environment, *RUN)
    assert done.returncode == 0, done.stderr
    assert "run 1 is stored whole" in done.stderr
    assert len((tmp_path / "runs" / "id").read_text()) == 32
    checked = on(environment, "repro.db", "check")
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (0, "run 1 (train, byol, seed 0): whole")


@pytest.mark.parametrize(
    "words", [RUN, ["repro.db", "check"], ["figures"], ["repro.data", "prepare", "kermany", "--size", "32"]]
)
def test_storage_without_locks_is_refused_in_one_line_that_names_the_folder(
    tmp_path: Path, real_data: Path, words: list[str]
):
    done = on(storage(tmp_path, "NO_LOCKS"), *words)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path / "runs") in line
    assert "is on storage without file locks" in line
    assert "Point REPRO_RUNS to a local disk" in line


def test_with_a_database_elsewhere_too_storage_without_locks_is_refused_before_work(tmp_path: Path, server: str):
    place = {"REPRO_MONGO_URI": f"{server}storage"}
    done = on({**storage(tmp_path, "NO_LOCKS"), **place}, *RUN)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "without file locks" in line
