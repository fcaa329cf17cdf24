"""Unpacking of archives that are not trusted: nothing is written outside the target folder."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from repro.errors import InputError
from repro.progress import Progress

CHUNK = 1 << 20


class ArchiveError(InputError):
    """An archive that is damaged, or that must not be unpacked."""


def unpack(archive: Path, top: str, into: Path) -> int:
    """Unpack the folder `top` of a zip or tar.gz; whatever else is in the archive is left there.

    pooch's own processors are not used: they write into the final folder, so that a kill leaves a folder that looks
    whole, and they unpack all there is, with no progress.

    Args:
        archive: a file whose name ends in .zip or .tar.gz.
        top: `top/a/b.png` becomes `into/a/b.png`.
        into: an empty folder, or one that is not there yet.

    Returns:
        The number of files.

    Raises:
        ArchiveError: damaged or truncated; without `top`; with a member that is a link or would land elsewhere.
    """
    files = 0
    try:
        with Progress(f"unpack {archive.name}", max(archive.stat().st_size, 1), "B") as bar:
            for name, content in (_zipped if archive.suffix == ".zip" else _tarred)(archive, bar):
                path = _safe(name, archive)
                if path.parts[:1] == (top,) and len(path.parts) > 1:
                    target = into.joinpath(*path.parts[1:])
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file, CHUNK)
                    files += 1
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ArchiveError(f"{archive} is truncated or damaged ({error})") from None
    except NotImplementedError as error:  # compressed in a way that Python does not know
        raise ArchiveError(f"{archive} cannot be unpacked ({error})") from None
    if not files:
        raise ArchiveError(f"{archive} holds no folder {top}, so it is not the official archive")
    return files


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ArchiveError(f"{archive} holds {name!r}, which would be written outside its folder; it is not used")
    return path


def _zipped(archive: Path, bar: Progress) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as members:
        for name in members.namelist():
            _safe(name, archive)
        for member in members.infolist():
            if member.flag_bits & 1:
                raise ArchiveError(f"{archive} needs a password, so it is not the official archive")
            if not member.is_dir():
                with members.open(member) as content:
                    yield member.filename, content
            bar.advance(member.compress_size)


def _tarred(archive: Path, bar: Progress) -> Iterator[tuple[str, IO[bytes]]]:
    """Read a tar.gz once, from end to end, so that the checksum at its end is seen."""
    with archive.open("rb") as packed, gzip.GzipFile(fileobj=packed) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as members:
            seen = 0
            for member in members:
                _safe(member.name, archive)
                if not member.isdir():
                    content = members.extractfile(member) if member.isfile() else None
                    if content is None:
                        raise ArchiveError(f"{archive} holds {member.name!r}, a link or device; it is not used")
                    yield member.name, content
                bar.advance(packed.tell() - seen)
                seen = packed.tell()
        while stream.read(CHUNK):
            pass
