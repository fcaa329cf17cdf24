"""Where a result comes from: a checkout by git, an image by the stamp it was built with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from repro import provenance
from tests.conftest import ROOT

CPU = torch.device("cpu")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of its own, with the files of a kit and one beside it."""
    for name in ("kit/a.py", "kit/b/c.py", "tests/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    return tmp_path


def stamped(git: Path, kit: Path) -> dict:
    command = [sys.executable, str(ROOT / "docker" / "stamp.py"), str(git), str(kit)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def image(checkout: Path, *leave_out: str) -> Path:
    """The files that an image takes: a folder of the checkout, under the name that it has there."""
    made = checkout.parent / f"image{len(list(checkout.parent.iterdir()))}"
    for file in (checkout / "kit").rglob("*.py"):
        name = str(file.relative_to(checkout))
        if name not in leave_out:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(file.read_bytes())
    return made


def head(checkout: Path) -> str:
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(asked, cwd=checkout, capture_output=True, text=True, check=True).stdout.strip()


def test_a_stamp_names_the_commit_that_git_names(checkout: Path):
    found = stamped(checkout / ".git", image(checkout))
    assert (found["commit"], found["dirty"]) == (head(checkout), False)
    subprocess.run(["git", "pack-refs", "--all"], cwd=checkout, check=True)
    subprocess.run(["git", "gc", "--quiet"], cwd=checkout, check=True)
    assert stamped(checkout / ".git", image(checkout))["commit"] == head(checkout)


def test_a_changed_a_missing_and_a_new_file_make_it_dirty_and_another_image(checkout: Path):
    clean = stamped(checkout / ".git", image(checkout))
    changed, new = image(checkout), image(checkout)
    (changed / "kit" / "a.py").write_text("other")
    (new / "kit" / "e.py").write_text("new")
    found = [stamped(checkout / ".git", kit) for kit in (changed, new, image(checkout, "kit/b/c.py"))]
    assert [each["dirty"] for each in found] == [True] * 3
    assert len({each["image_id"] for each in (*found, clean)}) == 4
    assert {each["commit"] for each in found} == {clean["commit"]}


def test_without_a_checkout_or_a_commit_it_says_nothing_of_it_but_still_what_it_holds(checkout: Path, tmp_path: Path):
    kit = image(checkout)
    alone = stamped(tmp_path / "nowhere", kit)
    assert (alone["commit"], alone["dirty"]) == (None, None)
    assert alone["image_id"] == stamped(checkout / ".git", kit)["image_id"]
    empty = tmp_path / "empty"
    subprocess.run(["git", "init", "--quiet", str(empty)], check=True)
    assert stamped(empty / ".git", kit)["commit"] is None


def test_bytecode_changes_nothing(checkout: Path):
    kit = image(checkout)
    before = stamped(checkout / ".git", kit)
    (kit / "kit" / "__pycache__").mkdir()
    (kit / "kit" / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert stamped(checkout / ".git", kit) == before


def test_a_run_in_an_image_says_what_the_stamp_says_and_elsewhere_what_git_says(tmp_path, monkeypatch):
    here = provenance.provenance(CPU)
    assert here["commit"] == head(ROOT)
    assert here["image_id"] is None
    stamp = {"commit": "c0ffee", "dirty": False, "image_id": "sha256:1"}
    (tmp_path / "image.json").write_text(json.dumps(stamp))
    monkeypatch.setattr(provenance, "STAMP", tmp_path / "image.json")
    assert provenance.provenance(CPU)["commit"] == here["commit"]  # a stamp that got into a checkout is not believed
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert {key: provenance.provenance(CPU)[key] for key in stamp} == stamp
