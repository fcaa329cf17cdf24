"""Files decoded into one array on disk, chunk by chunk, by several processes; an interrupted work is continued."""

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from repro.data.prepare.decode import DECODING
from repro.data.prepare.decoders import answers
from repro.progress import Progress

log = logging.getLogger("repro.data")

CHUNK = 64
"""Images of a unit of work [us]: what one process decodes in a row, and what is done again at most."""

SECONDS_BETWEEN_RECORDS = 1.0

IMAGES, RECORD = "images.npy", "done.jsonl"


@dataclass(frozen=True)
class Files:
    """Image files as they lie on the disk, in order.

    Args:
        folder: that they have in common.
        paths: where each one is.
        names: what each is called below the folder.
        sizes: bytes of each.
        mtimes: when each was changed last, in ns.
    """

    folder: str
    paths: Sequence[str]
    names: Sequence[str]
    sizes: Sequence[int]
    mtimes: Sequence[int]

    def __len__(self) -> int:
        return len(self.paths)

    def digest(self, rows: range, *more: float | None) -> str:
        """Return a SHA-256 that changes when a file in `rows`, its place in the order, or `more` does."""
        each = [[self.names[row], self.sizes[row], self.mtimes[row]] for row in rows]
        return hashlib.sha256(json.dumps([each, rows.start, *more]).encode()).hexdigest()


@dataclass(frozen=True)
class Decoded:
    """What became of the files.

    Args:
        files: SHA-256 of each file; None where it could not be read.
        images: SHA-256 of each row; None where the file shows nothing.
        undecodable: row -> why its file shows nothing.
        deep: row -> lowest and highest grey value of its file, where that has more than 8 bits.
    """

    files: list[str | None]
    images: list[str | None]
    undecodable: dict[int, str]
    deep: dict[int, tuple[float, float]]


def decode_files(
    files: Files,
    size: int,
    channels: int,
    folder: Path,
    lock: IO,
    black: float | None = None,
    white: float | None = None,
    floats: bool = True,
) -> Decoded:
    """Write what files show into `IMAGES` in a folder: uint8 `[N, size, size, channels]`, a row per file.

    Chunks that were finished by an earlier call that did not come to its end are kept where their files are as they
    were then.

    Args:
        files: N > 0 image files.
        size: height and width in pixels.
        channels: 1 or 3.
        folder: where; it is there.
        lock: a locked file for the decoding processes to share.
        black, white, floats: which grey values of files of more than 8 bits become black and white, as for
            `decode.decoded`.

    Raises:
        InputError: the operating system killed a decoding process.
        OSError: the array cannot be written.
    """
    shape = (len(files), size, size, channels)
    chunks = [range(start, min(start + CHUNK, len(files))) for start in range(0, len(files), CHUNK)]
    finished = _read(folder / RECORD) if (folder / IMAGES).exists() else {}
    digests = [files.digest(rows, size, channels, DECODING) for rows in chunks]
    if (black, white) != (None, None):  # black and white matter only where a file has more than 8 bits
        deep = [files.digest(rows, size, channels, DECODING, black, white, floats) for rows in chunks]
        flat = [finished.get(digest, {"deep": True})["deep"] == [] for digest in digests]
        digests = [digests[i] if flat[i] else deep[i] for i in range(len(chunks))]
    todo = [rows for rows, digest in zip(chunks, digests, strict=True) if digest not in finished]
    done = len(files) - sum(map(len, todo))
    if done:
        log.info("%s: %d of %d images are there already; continuing", folder.name, done, len(files))
    result = Decoded([], [], {}, {})
    with (
        (folder / IMAGES).open("r+b" if (folder / IMAGES).exists() else "w+b", buffering=0) as images,
        _Record(folder / RECORD, images) as record,
        Progress(f"prepare {folder.stem}", len(files), "image", done) as progress,
    ):
        offset = begin_array(images, shape)
        with answers(
            files.paths, todo, [str(folder / IMAGES), offset, size, channels, str(black), str(white), str(floats)], lock
        ) as new:
            for rows, digest in zip(chunks, digests, strict=True):
                answer = finished.get(digest)
                if answer is None:
                    answer = next(new)
                    record.add(digest, rows.start, answer)
                    progress.advance(len(rows))
                result.files.extend(answer["files"])
                result.images.extend(answer["images"])
                result.undecodable.update({rows[position]: reason for position, reason in answer["undecodable"]})
                result.deep.update({rows[position]: (low, high) for position, low, high in answer["deep"]})
        images.truncate(offset + int(np.prod(shape)))  # shorter, or longer where the last files show nothing
        os.fsync(images.fileno())
    return result


def begin_array(images: IO[bytes], shape: tuple[int, ...]) -> int:
    """Write the head of a .npy file of uint8; return how long it is."""
    images.seek(0)
    np.lib.format.write_array_header_1_0(images, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return images.tell()


class _Record:
    """The list of finished chunks. One is entered only when its images are on the disk."""

    def __init__(self, file: Path, images: FileIO) -> None:
        self._images, self._waiting, self._last = images, [""], time.monotonic()  # "": the last line may be torn
        self._file = file.open("a")

    def add(self, digest: str, start: int, answer: dict[str, Any]) -> None:
        """Enter a chunk that begins at row `start`, now or within the next second or so."""
        self._waiting.append(json.dumps({"chunk": digest, "start": start, **answer}))
        if time.monotonic() - self._last >= SECONDS_BETWEEN_RECORDS:
            self._enter()
            self._last = time.monotonic()

    def _enter(self) -> None:
        os.fsync(self._images.fileno())
        self._file.write("".join(f"{line}\n" for line in self._waiting))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._waiting.clear()

    def __enter__(self) -> "_Record":
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._enter()


def _read(record: Path) -> dict[str, dict[str, Any]]:
    """Return what is recorded of each finished chunk; of several for the same rows the last is what the array holds."""
    finished = {}
    for line in record.read_text().splitlines() if record.exists() else ():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # torn when its process was killed
            entry = json.loads(line)
            finished[entry["start"]] = entry.pop("chunk"), entry
    return dict(finished.values())
