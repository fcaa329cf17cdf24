"""An archive of runs: one zip file that every run database takes in, and a source of runs by itself.

Members, in this order:
    files.jsonl                  one line per stored file: its GridFS document, SHA-256, and whether it was left out
    files/SHA-256                the content of files, once however many files have it; not compressed
    runs/00000007/metrics.jsonl  the metrics of a run, one line each, by name and id
    runs/00000007/run.json       its document
    manifest.json                format, version, the SHA-256 and size of every other member, and what was left out

Documents are canonical extended JSON with sorted keys. The same runs give the same bytes. Nothing is ever unpacked
to a place that the archive names.
"""

import contextlib
import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from repro.errors import InputError
from repro.store.documents import Document, check_file, check_run, check_series, document_of
from repro.store.source import LEFT_OUT, Content, Run, Series

FORMAT, VERSION = "additional-positive runs", 1

MANIFEST, FILES = "manifest.json", "files.jsonl"

NAMES = re.compile(r"files\.jsonl|files/[0-9a-f]{64}|runs/[0-9]{8,18}/(?:metrics\.jsonl|run\.json)")
"""The only names that members have: none of them leads anywhere else."""

PIECE = 2**20
"""Bytes read at a time."""

FREE, RATIO = 64 * 2**20, 100
"""What unpacks to more than FREE bytes and to more than RATIO times its packed size is a decompression bomb.

Every point of a metric has a time of its own, so that our documents shrink to a tenth or a twentieth.
"""


def run_folder(run_id: int) -> str:
    """Return the folder of a run in an archive."""
    return f"runs/{run_id:08}"


class Archive:
    """A verified archive as a source of runs; get it from `open_archive`.

    Args:
        path: of the file, for messages.
        zipped: the open file.

    Raises:
        InputError: it is not exactly what its manifest says, or its manifest is not one.
    """

    def __init__(self, path: Path, zipped: zipfile.ZipFile) -> None:
        self._path, self._zip = path, zipped
        with self._refusing():
            self._manifest = _manifest(zipped)
            self._members: dict[str, dict[str, Any]] = self._manifest["members"]
            _check_outside(zipped, self._members)
            for name in self._members:
                for _ in self._pieces(name):
                    pass
            self.files = {entry["file"]["_id"]: entry for entry in self._documents(FILES, check_file)}
            self.run_ids = self._check_inside()
            _check_left_out(self.left_out, self.files.values())

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """Which artifacts were left out: for each its run, artifact (its name), sha256 and size."""
        return self._manifest["left_out"]

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"the archive {self._path.name}"

    def runs(self) -> list[Run]:
        """Return the run documents by ascending id, without the fields LEFT_OUT."""
        return [{k: v for k, v in self.run(run_id).items() if k not in LEFT_OUT} for run_id in self.run_ids]

    def run(self, run_id: int) -> Run:
        """Return the whole document of a run."""
        with self._refusing():
            name = f"{run_folder(run_id)}/run.json"
            (run,) = self._documents(name, check_run)
            if run["_id"] != run_id:
                raise ValueError(f"{name} is the document of run {run['_id']}")
            return run

    def details(self, run_ids: Iterable[int]) -> Iterator[tuple[int, Run]]:
        """Yield (run id, the fields LEFT_OUT of its document) for every run."""
        for run_id in run_ids:
            yield run_id, {k: v for k, v in self.run(run_id).items() if k in LEFT_OUT}

    def series(self, run_ids: Iterable[int]) -> Iterator[tuple[int, list[Series]]]:
        """Yield (run id, its metrics by name and id) for every run, by ascending id."""
        for run_id in sorted(set(run_ids)):
            with self._refusing():
                name = f"{run_folder(run_id)}/metrics.jsonl"
                members = list(self._documents(name, check_series))
                if any(series.get("run_id") != run_id for series in members):
                    raise ValueError(f"{name} has a metric of another run")
            yield run_id, members

    def contents(self, file_ids: Iterable[Any]) -> dict[Any, Content]:
        """Return what is held of each of these files; it was read and hashed when the archive was opened."""
        entries = {file_id: self.files[file_id] for file_id in file_ids if file_id in self.files}
        return {file_id: Content(entry["sha256"], entry["left_out"]) for file_id, entry in entries.items()}

    def read(self, file_id: Any) -> bytes | None:
        """Return the content of a file; None where it was not whole, or left out, when the runs were archived."""
        return b"".join(self.content(file_id)) if file_id in self.files and self.holds(file_id) else None

    def holds(self, file_id: Any) -> bool:
        """Return whether the content of a file is in the archive."""
        return _holds(self.files[file_id])

    def content(self, file_id: Any, size: int = PIECE) -> Iterator[bytes]:
        """Yield the content of a file in pieces of `size` bytes, the last one shorter."""
        with self._refusing():
            yield from self._pieces(f"files/{self.files[file_id]['sha256']}", size)

    def sha256(self, run_id: int, member: str) -> str:
        """Return the SHA-256 of "run.json" or "metrics.jsonl" of a run."""
        return self._members[f"{run_folder(run_id)}/{member}"]["sha256"]

    def _pieces(self, name: str, size: int = PIECE) -> Iterator[bytes]:
        """Yield a member; ValueError at its end if it is not what the manifest says."""
        digest, length = hashlib.sha256(), 0
        with self._zip.open(name) as member:
            while piece := member.read(size):
                digest.update(piece)
                length += len(piece)
                yield piece
        if {"sha256": digest.hexdigest(), "size": length} != self._members[name]:
            raise ValueError(f"{name} is altered")

    def _documents(self, name: str, check: Callable[[Document], None]) -> Iterator[Document]:
        with self._zip.open(name) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield document_of(line, check)
                except ValueError as error:
                    raise ValueError(f"{name}, line {number}: {error}") from None

    def _check_inside(self) -> list[int]:
        """Return the ids of the runs, ascending; each has two members, and each content a file that it is of."""
        folders = {name.split("/")[1] for name in self._members if name.startswith("runs/")}
        run_ids = sorted(int(folder) for folder in folders)
        named = {f"{run_folder(i)}/{member}" for i in run_ids for member in ("metrics.jsonl", "run.json")}
        for entry in filter(_holds, self.files.values()):
            named.add(f"files/{entry['sha256']}")
            size = self._members.get(f"files/{entry['sha256']}", {}).get("size")
            if size != entry["file"]["length"]:
                raise ValueError(f"file {entry['file']['_id']} has {entry['file']['length']} bytes, its content {size}")
        if strays := sorted((named | {FILES}) ^ self._members.keys()):
            raise ValueError(f"{strays[0]} is missing or belongs to no run")
        return run_ids

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        with refusing(self._path):
            yield


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Yield an archive of runs, verified from its first byte to its last.

    Raises:
        InputError: it cannot be read, or it is not exactly what was exported.
    """
    with refusing(path):
        zipped = zipfile.ZipFile(path)
    with zipped:
        yield Archive(path, zipped)


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn every way in which a zip file can be bad into one line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"there is no archive {path}; `python -m repro.db export {path.name}` makes one") from None
    # Lookup and type errors: a manifest of another make. Encryption and odd compression are RuntimeErrors.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
    ) as error:
        what = getattr(error, "strerror", None) or error
        raise InputError(f"{path} is not a whole archive of runs: {what}. Take a fresh copy of it") from None


def _manifest(zipped: zipfile.ZipFile) -> dict[str, Any]:
    if [info.filename for info in zipped.infolist()].count(MANIFEST) != 1:
        raise ValueError(f"it has no {MANIFEST}, or several")
    _check_member(zipped.getinfo(MANIFEST))
    manifest = json.loads(zipped.read(MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or type(manifest.get("version")) is not int:
        raise ValueError(f"its {MANIFEST} is not that of runs")
    if manifest["version"] > VERSION:
        raise ValueError(
            f"it has format version {manifest['version']} and this kit reads up to {VERSION}; update the kit, or else"
        )
    if not isinstance(manifest.get("members"), dict) or manifest.keys() != {"format", "version", "members", "left_out"}:
        raise ValueError(f"its {MANIFEST} lacks something")
    return manifest


def _check_outside(zipped: zipfile.ZipFile, members: dict[str, Any]) -> None:
    """Hold the list of members against the manifest, before anything is unpacked."""
    seen = {MANIFEST}
    for info in zipped.infolist():
        if info.filename == MANIFEST:
            continue
        if info.filename in seen:
            raise ValueError(f"{info.filename!r} is in it twice")
        seen.add(info.filename)
        if not NAMES.fullmatch(info.filename):
            raise ValueError(f"{info.filename!r} is no name of a member")
        if info.filename not in members:
            raise ValueError(f"{info.filename} is not in its manifest")
        _check_member(info)
        expected = members[info.filename]
        if not isinstance(expected, dict) or expected.get("size") != info.file_size:
            raise ValueError(f"{info.filename} has {info.file_size} bytes, which its manifest does not say")
    if missing := sorted(members.keys() - seen):
        raise ValueError(f"{missing[0]} is missing")
    assert zipped.filename is not None
    packed = Path(zipped.filename).stat().st_size
    if sum(info.compress_size for info in zipped.infolist()) > packed:
        raise ValueError("its members overlap")


def _check_member(info: zipfile.ZipInfo) -> None:
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise ValueError(f"{info.filename} is not a plain file")
    if info.flag_bits & 1:
        raise ValueError(f"{info.filename} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} uses a compression that the kit does not write")
    if info.file_size > FREE and info.file_size > RATIO * info.compress_size:
        raise ValueError(f"{info.filename} would unpack to {info.file_size} bytes, {RATIO} times its size or more")


def _check_left_out(said: Any, entries: Iterable[Document]) -> None:
    found = {(entry["sha256"], entry["file"]["length"]) for entry in entries if entry["left_out"]}
    if not isinstance(said, list) or {(item["sha256"], item["size"]) for item in said} != found:
        raise ValueError(f"its {MANIFEST} does not say what was left out of it")


def _holds(entry: Document) -> bool:
    return entry["sha256"] is not None and not entry["left_out"]
