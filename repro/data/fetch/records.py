"""The hash of each downloaded file, written down once beside it: `FILE.sha256`, which `sha256sum -c` reads too."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from repro.errors import InputError
from repro.progress import Progress

CHUNK = 1 << 20


@dataclass(frozen=True)
class Record:
    """A file as it was when it was hashed.

    Args:
        sha256: hexadecimal.
        bytes: its size.
        mtime_ns: its time of change; with equal size and time, the file is taken to be the same.
        unpacked: number of files it was unpacked to, 0 for a table.
    """

    sha256: str
    bytes: int
    mtime_ns: int
    unpacked: int = 0

    def fits(self, file: Path) -> bool:
        """Whether the file still has the size and time of this record."""
        about = file.stat()
        return (about.st_size, about.st_mtime_ns) == (self.bytes, self.mtime_ns)

    def write(self, file: Path) -> None:
        """Write the record beside `file`, whole or not at all."""
        place = _beside(file)
        partial = place.with_name(place.name + ".partial")
        about = f"# bytes {self.bytes}, mtime_ns {self.mtime_ns}, unpacked {self.unpacked}"
        partial.write_text(f"{about}\n{self.sha256}  {file.name}\n")
        partial.replace(place)


def recorded(file: Path) -> Record | None:
    """Return the record of a file, which itself may be gone; None if there is none.

    Raises:
        InputError: something else lies where the record should.
    """
    if not _beside(file).exists():
        return None
    pattern = r"# bytes (\d+), mtime_ns (\d+), unpacked (\d+)\n([0-9a-f]{64})  .+\n"
    match = re.fullmatch(pattern, _beside(file).read_text(errors="replace"))
    if match is None:
        raise InputError(f"{_beside(file)} is not a record of this kit. Move it away and run the same command again")
    return Record(match[4], int(match[1]), int(match[2]), int(match[3]))


def measured(file: Path) -> Record:
    """Hash a file."""
    about = file.stat()
    return Record(hash_of(file, "sha256"), about.st_size, about.st_mtime_ns)


def hash_of(file: Path, algorithm: str) -> str:
    """Return the hexadecimal hash of a file, with a progress bar."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with file.open("rb") as content, Progress(f"hash {file.name}", max(file.stat().st_size, 1), "B") as bar:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            bar.advance(len(chunk))
    return digest.hexdigest()


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")
