"""python docker/stamp.py GIT KIT: print what an image is made of, as JSON: commit, dirty, and image_id.

GIT is the content of the checkout's folder .git, if there is one; KIT holds the files of the image, and dirty says
whether they differ from the commit. image_id is a hash of those files, of every file of every installed package, and of
Debian's packages and Python, so that two images with the same one behave the same, wherever they were built.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from dulwich.errors import NotGitRepository
from dulwich.object_store import iter_tree_contents
from dulwich.objects import Blob
from dulwich.repo import Repo

DEBIAN = Path("/var/lib/dpkg/status")
BYTECODE = "__pycache__"


def stamp(git: Path, kit: Path) -> dict[str, object]:
    """Return what `repro.provenance` takes over into every run's record; None for what cannot be told."""
    return {**commit_of(git, kit), "image_id": digest(kit)}


def commit_of(git: Path, kit: Path) -> dict[str, object]:
    """Return the commit, and whether the files of the kit, or those that it should have beside them, differ from it."""
    try:
        with Repo(str(git)) as repo:
            head = repo.head()
            tree = iter_tree_contents(repo.object_store, repo[head].tree)
            committed = {entry.path.decode(): entry.sha for entry in tree}
    except (NotGitRepository, KeyError):  # no checkout; no commit yet
        return {"commit": None, "dirty": None}
    ours = {str(file.relative_to(kit)): Blob.from_string(file.read_bytes()).id for file in files(kit)}
    rooms = {Path(name).parts[0] for name in ours}
    expected = {name: sha for name, sha in committed.items() if Path(name).parts[0] in rooms}
    return {"commit": head.decode(), "dirty": ours != expected}


def digest(kit: Path) -> str:
    """Return a hash of the kit's files, of all installed packages, and of what is below them."""
    content = hashlib.sha256()
    for line in [platform.python_version(), *sorted(packages()), *sorted(debian()), *sorted(hashes(kit))]:
        content.update(f"{line}\n".encode())
    return f"sha256:{content.hexdigest()}"


def files(kit: Path) -> Iterator[Path]:
    """Yield the kit's files, bytecode aside."""
    return (path for path in kit.rglob("*") if path.is_file() and BYTECODE not in path.parts)


def hashes(kit: Path) -> Iterator[str]:
    """Yield a line for each file of the kit."""
    return (f"{path.relative_to(kit)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files(kit))


def packages() -> Iterator[str]:
    """Yield a line for each installed package: its name, version, and the list of its files with their hashes."""
    for package in metadata.distributions():
        record = package.read_text("RECORD") or ""
        listed = "\n".join(sorted(line for line in record.splitlines() if BYTECODE not in line))
        yield f"{package.name} {package.version} {hashlib.sha256(listed.encode()).hexdigest()}"


def debian() -> Iterator[str]:
    """Yield a line for each of Debian's packages, where there are any."""
    for block in DEBIAN.read_text().split("\n\n") if DEBIAN.exists() else []:
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(" "))
        if fields:
            yield f"{fields.get('Package')} {fields.get('Version')} {fields.get('Architecture')}"


if __name__ == "__main__":
    print(json.dumps(stamp(Path(sys.argv[1]), Path(sys.argv[2])), indent=2))
