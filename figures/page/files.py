"""Files of results: all of an artefact or none of it, and never a half-written one."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from repro.errors import InputError


def results_folder(out: str) -> Path:
    """Return the results folder, made if need be.

    Raises:
        InputError: it cannot be made or written to.
    """
    folder = Path(out)
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "permission denied")
    return folder


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files under their names into `folder`: first all under other names, then renamed.

    Raises:
        InputError: the folder cannot be written to, or the disk is full. Nothing half-written is left.
    """
    waiting = {folder / f".{name}.{os.getpid()}.part": folder / name for name in files}
    with _told(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for part, content in zip(waiting, files.values(), strict=True):
                part.write_bytes(content)
            for part, final in waiting.items():
                part.replace(final)
        except BaseException:
            for part in waiting:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
            raise


def remove(folder: Path, name: str) -> None:
    """Remove the files of an artefact that is no longer drawn, so that no old number stays beside new ones.

    Raises:
        InputError: the folder cannot be written to.
    """
    with _told(folder):
        for file in (*folder.glob(f"{name}.*"), *folder.glob(f"{name}-column.*")):
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"results: cannot write to {folder}: {(error.strerror or str(error)).lower()}. "
            "Name a folder you own with --out or REPRO_RESULTS"
        ) from None
