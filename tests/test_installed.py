"""Outside the environment, every command says in one line how to get into it."""

import subprocess
import sys

import pytest

from repro.installed import missing
from tests.conftest import ROOT

COMMANDS = ("repro.run", "repro.db", "repro.data", "repro.reproduce", "repro.bench", "figures")


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_outside_the_environment_ends_in_one_line_that_says_how_to_activate_it(module: str):
    done = subprocess.run([sys.executable, "-S", "-m", module], cwd=ROOT, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("error: ")
    assert "make setup" in line
    assert ".venv/bin/activate" in line


def test_other_code_gets_an_import_error_with_the_same_line():
    code = "import repro"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "make setup" in done.stderr


def test_only_the_packages_that_are_not_there_are_named():
    assert "no package sacred:" in missing(("sacred", "numpy"), {"numpy": object()}.get)
    assert missing(("numpy",), {"numpy": object()}.get) == ""
