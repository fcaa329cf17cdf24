"""Where a copy of a data set keeps its files: as its publisher does, or as the copies that people have.

Kaggle's archives have one more folder of the same name, twelve archives unpacked side by side are twelve folders, and
tables have older names.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from repro.data.folder import data_folder
from repro.data.notices import once

DEEPEST = 4
"""Folders below the data set's in which files are looked for. [us]"""
IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".dcm", ".npz")
SHOWN = 4
"""Folders and tables that a message names."""


def images_below(folder: Path) -> Iterator[Path]:
    """Yield the image files in a folder and below it; hidden ones, and what archives of macOS add, are left out."""
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith((".", "__MACOSX"))]
        yield from (Path(place) / name for name in names if name.lower().endswith(IMAGES) and not name.startswith("."))


def root_of(name: str, signs: Sequence[str]) -> Path:
    """Return the folder of a data set: `$REPRO_DATA/NAME`, or else the one there that holds one of the signs.

    Args:
        name: the data set.
        signs: files or folders, below its folder, by which it is known.
    """
    own, data = data_folder() / name, data_folder()
    for folder in (own, data, *_folders(data)):
        if any((folder / sign).exists() for sign in signs):
            if folder != own:
                once(logging.INFO, f"{name} is read from {folder}")
            return folder
    return own


def table_of(root: Path, names: Sequence[str]) -> Path:
    """Return the table of a data set by the first of its names that is there, at `root` or one folder below."""
    for name in names:
        for folder in (root, *_folders(root)):
            if (folder / name).is_file():
                if name != names[0]:
                    once(logging.WARNING, f"{root}: {names[0]} is not there; {folder / name} is read instead")
                return folder / name
    return root / names[0]


def places_of(root: Path, folder: str, names: Sequence[str]) -> tuple[str, ...] | None:
    """Return where each image lies, as a path, or None if all that are there lie in `root/folder`.

    Args:
        root: the data set's folder.
        folder: the one below it in which its publisher has the images.
        names: plain file names.
    """
    canonical = root / folder
    there = {entry.name for entry in os.scandir(canonical)} if canonical.is_dir() else set()
    missing = {name.lower(): name for name in names if name not in there}
    if not missing:
        return None
    found: dict[str, str] = {}
    for path, files in walked(root):
        for file in files:
            if name := missing.get(file.lower()):
                found.setdefault(name, str(path / file))
    if not found:
        return None
    folders = sorted({os.path.relpath(Path(path).parent, root) for path in found.values()})
    once(logging.INFO, f"{root}: {len(found):,} images are read from {_some(folders)}")
    return tuple(found.get(name) or str(canonical / name) for name in names)


def spelled_otherwise(paths: Sequence[str]) -> tuple[str, ...] | None:
    """Return the paths with those that are not there replaced by what differs in case or lacks the ending; or None.

    Args:
        paths: of image files.
    """
    folders: dict[str, dict[str, list[str]]] = {}
    found = list(paths)
    for row, path in enumerate(paths):
        if os.path.exists(path):  # noqa: PTH110  (no class Path: see Listing)
            continue
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = _spellings(folder)
        same = folders[folder].get(name.lower(), [])
        if len(same) == 1:
            found[row] = os.path.join(folder, same[0])  # noqa: PTH118  (no class Path: see Listing)
    changed = [row for row, path in enumerate(paths) if path != found[row]]
    if not changed:
        return None
    first = changed[0]
    once(
        logging.WARNING,
        f"{len(changed):,} of {len(paths):,} files have another ending or case than the table says, such as "
        f"{found[first]} for {os.path.basename(paths[first])}",  # noqa: PTH119
    )
    return tuple(found)


def _spellings(folder: str) -> dict[str, list[str]]:
    """Return what a name may stand for in a folder: files with that name in any case, or with an ending behind it."""
    spellings: dict[str, list[str]] = {}
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return {}
    for name in names:
        spellings.setdefault(name.lower(), []).append(name)
    whole = set(spellings)
    for name in names:
        stem, ending = os.path.splitext(name.lower())  # noqa: PTH122
        if ending in IMAGES and stem not in whole:
            spellings.setdefault(stem, []).append(name)
    return spellings


def nearby(folder: Path) -> str:
    """Return a sentence on what images and tables lie near a folder in which nothing was found; empty if none do."""
    start = next((place for place in (folder, folder.parent, folder.parent.parent) if place.is_dir()), None)
    if start is None:
        return ""
    said = []
    for path, files in walked(start):
        images = sum(file.lower().endswith(IMAGES) for file in files)
        tables = sorted(file for file in files if file.lower().endswith(".csv"))
        if images:
            said.append(f"{images:,} image files in {path}")
        said += [f"table {path / name}" for name in tables]
    return f". Nearby: {_some(said)}" if said else ""


def walked(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield every folder down to `DEEPEST` below `root`, in order of name, with its files; hidden ones are left out."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        below: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith((".", "__MACOSX")):
                        (below if entry.is_dir() else files).append(entry.name)
        except OSError:  # not there, or not to be entered
            continue
        yield folder, files
        if depth < DEEPEST:
            waiting += [(folder / name, depth + 1) for name in sorted(below, reverse=True)]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
