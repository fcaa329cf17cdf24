"""Nothing needs a home folder: on clusters and in containers it often cannot be written to, or is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.data.test_medmnist import arrays, written
from tests.test_front_doors import QUICK


def homeless(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call a command of the kit as a user whose home folder cannot be written to, not even by root."""
    own = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": "/dev/null", **environment}
    line = [sys.executable, "-m", *words]
    return subprocess.run(line, cwd=ROOT, env=own, capture_output=True, text=True, timeout=900)


def test_a_medmnist_file_is_checked_without_a_home_folder(tmp_path: Path):
    written(tmp_path / "medmnist", arrays())
    done = homeless("repro.data", "check", "dermamnist", "--split", "official", REPRO_DATA=str(tmp_path))
    assert "36 images" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    assert "default root" not in done.stderr


@pytest.mark.slow
def test_a_run_and_its_tables_are_made_without_a_home_folder(tmp_path: Path):
    written(tmp_path / "medmnist", arrays(70))
    folders = {"REPRO_DATA": str(tmp_path), "REPRO_RUNS": str(tmp_path / "runs")}
    settings = ["data.split=official", *QUICK, "evaluate.protocols=['knn']", "evaluate.fractions=[1.0]"]
    done = homeless("repro.run", "with", "byol", "dermamnist", "smoke", *settings, **folders)
    assert done.returncode == 0, done.stderr
    drawn = homeless("figures", "settings", "--out", str(tmp_path / "results"), **folders)
    assert drawn.returncode == 0, drawn.stderr
