"""The docs build as a site: every link holds, and no page asks another host for a script, a style or a font."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="MkDocs is not here; `make docs` installs it"
)


def built(source: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, str(source / "docs" / "build.py"), str(site)]
    return subprocess.run(line, cwd=source, capture_output=True, text=True, check=False)


@needs_mkdocs
def test_the_docs_build_without_a_broken_link_and_need_no_network(tmp_path: Path):
    done = built(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert {"index.html", "docs/records.html", "docs/results.html"} <= {
        str(page.relative_to(tmp_path / "site")) for page in pages
    }
    for page in pages:
        loaded = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"((?:https?:)?//[^\"]+)", page.read_text())
        assert loaded == []
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text())


@needs_mkdocs
@pytest.mark.parametrize("link", ["[gone](docs/gone.md)", "[gone](docs/study.md#gone)"])
def test_a_broken_link_fails(tmp_path: Path, link: str):
    source = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "*.md", "*.ipynb", "*.svg", "*.png", "*.cff", "LICENSE", "docs", "repro/records"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    with (source / "README.md").open("a") as readme:
        readme.write(f"\n{link}\n")
    done = built(source, tmp_path / "site")
    assert done.returncode == 1
    assert "gone" in done.stderr + done.stdout
