"""python docs/build.py [FOLDER]: README and docs as a site that needs no network, in `site/` by default.

`make docs` calls it. A link to a file or heading that is not there ends it with exit code 1.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docker/README.md", "repro/bench/README.md")
"""What becomes pages beside docs/*.md, at the same place as in the repository, so that links hold in both."""

FILES = (
    "CITATION.cff", "LICENSE", "docs/explore.ipynb", "figures/overview.svg", "figures/reference/effects.png",
    "figures/reference/partner_errors.png", "repro/records/encoders.py", "repro/configs/grids.py",
)  # fmt: skip
"""What pages show or link to."""

CONFIG = """
site_name: Additional Positive
docs_dir: {pages}
site_dir: {site}
use_directory_urls: false
theme:
  name: readthedocs
  highlightjs: false
  include_homepage_in_sidebar: true
nav:
  - Start: README.md
  - Methods: docs/methods.md
  - Data: docs/data.md
  - Study: docs/study.md
  - Records: docs/records.md
  - Results: docs/results.md
  - Extend: docs/extend.md
  - Settings: docs/settings.md
  - Architecture: docs/architecture.md
  - Performance: docs/performance.md
  - Benchmarks: repro/bench/README.md
  - Paper: docs/paper.md
  - Docker: docker/README.md
  - Contributing: CONTRIBUTING.md
  - Changes: CHANGELOG.md
markdown_extensions:
  - tables
  - fenced_code
  - toc:
      permalink: true
plugins:
  - search
validation:
  omitted_files: warn
  absolute_links: warn
  unrecognized_links: warn
  anchors: warn
"""


def main(arguments: list[str]) -> int:
    """Build the site, and return the exit code of MkDocs."""
    site = Path(arguments[0] if arguments else ROOT / "site").resolve()
    with tempfile.TemporaryDirectory() as name:
        pages = Path(name) / "pages"
        for file in (*PAGES, *FILES, *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))):
            (pages / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, pages / file)
        config = Path(name) / "mkdocs.yml"
        config.write_text(CONFIG.format(pages=pages, site=site))
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--config-file", str(config)]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
