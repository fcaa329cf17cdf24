"""Write runs of a run database as an archive."""

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

from repro.errors import InputError, StorageError
from repro.progress import Progress
from repro.store.anonymous import anonymous
from repro.store.archive import FILES, FORMAT, MANIFEST, VERSION, run_folder
from repro.store.documents import Document, mentions, text_of
from repro.store.foreign import OURS
from repro.store.integrity import RECORDED
from repro.store.optional import kind_of
from repro.store.renumber import renumbered_file, renumbered_run, renumbered_series
from repro.store.source import LEFT_OUT, Content, DatabaseSource, Run

UNFINISHED = ("QUEUED", "RUNNING", "IMPORTING")
"""Status of runs whose record may still change."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the first that a zip file can say."""

NEEDED = dict.fromkeys(("status", "config", "info", "artifacts", "resources", "experiment.sources"), 1)
NEEDED |= {key: 1 for key in RECORDED if key not in LEFT_OUT}


def finished(database: Database, run_ids: Sequence[int] = ()) -> list[Run]:
    """Return the kit's own runs to export, by ascending id: those named, or else all that have ended, well or not.

    Raises:
        InputError: a named run is not there or has not ended, or there is none at all.
    """
    there = {run["_id"]: run for run in database.runs.find(OURS, NEEDED).sort("_id", ASCENDING)}
    for run_id in run_ids:
        if run_id not in there:
            raise InputError(
                f"run {run_id} is not in the run database, or is of another experiment; `python -m repro.db check` "
                "lists the runs"
            )
        if (status := there[run_id].get("status")) in UNFINISHED:
            raise InputError(f"run {run_id} is {status}; export it once it has ended")
    chosen = [run for i, run in there.items() if (i in run_ids if run_ids else run.get("status") not in UNFINISHED)]
    if not chosen:
        raise InputError("the run database holds no run that has ended, so there is nothing to export")
    return chosen


def export(
    source: DatabaseSource,
    path: Path,
    runs: Sequence[Run],
    without: Collection[str] = (),
    first_id: int | None = None,
    nameless: bool = False,
    scores_of: int | None = None,
) -> list[dict[str, Any]]:
    """Write runs as an archive, and return what was left out of it.

    But for what is asked for below, the record is copied as it is, damage included. Files are read twice, once to
    name them by their SHA-256 (by the source, which remembers it) and once to copy them. No more than a document or a
    piece of a file is in memory.

    Args:
        source: the run database.
        path: the file to write; it is there whole or not at all.
        runs: from `finished`.
        without: kinds of artifacts (keys of `OPTIONAL`) that stay behind; the archive says what was left out.
        first_id: id that the first run has in the archive; the others follow in their order. None: all keep theirs.
        nameless: whether the names of the machine and folder where each run was made stay behind.
        scores_of: of how many seeds of a series, from the lowest, the test scores come along; None: of all.

    Returns:
        For each artifact that was left out its run, artifact (its name), sha256 and size.

    Raises:
        InputError: the file cannot be written, or a run that gets a new id rests on one that is not exported.
        StorageError: a run changed meanwhile.
    """
    ids = {run["_id"]: run["_id"] if first_id is None else first_id + place for place, run in enumerate(runs)}
    entries = _entries(source, runs, without, scores_of)
    for line in entries.values():
        line["file"] = renumbered_file(line["file"], ids)
    left_out = [
        {"run": ids[run["_id"]], "artifact": name, "sha256": entry["sha256"], "size": entry["file"]["length"]}
        for run in runs
        for kind, name, file_id in sorted(mentions(run), key=lambda mention: mention[:2])
        if kind == "artifacts" and (entry := entries.get(file_id)) and entry["left_out"]
    ]
    contents = {e["sha256"]: e["file"] for e in entries.values() if e["sha256"] is not None and not e["left_out"]}
    with _whole_zip(path) as writer, Progress("exporting", len(contents) + len(runs), "member") as progress:
        writer.add(FILES, (text_of(entries[file_id]) for file_id in sorted(entries)))
        for sha256, file in sorted(contents.items()):
            text = file["filename"].endswith(".py")
            if writer.add(f"files/{sha256}", (data for _, data in source.pieces([file])), text) != sha256:
                raise StorageError(f"file {file['_id']} changed while it was exported; nothing was written")
            progress.advance()
        for run in sorted(runs, key=lambda run: run_folder(ids[run["_id"]])):
            ((run_id, series),) = source.series([run["_id"]])
            document = source.database.runs.find_one({"_id": run_id})
            if document is None or document.get("status") != run.get("status"):
                raise StorageError(f"run {run_id} changed while it was exported; nothing was written")
            folder = run_folder(ids[run_id])
            writer.add(f"{folder}/metrics.jsonl", (text_of(renumbered_series(each, ids)) for each in series))
            if first_id is not None:
                document = renumbered_run(document, ids)
            writer.add(f"{folder}/run.json", [text_of(anonymous(document) if nameless else document)])
            progress.advance()
        manifest = {"format": FORMAT, "version": VERSION, "left_out": left_out, "members": writer.members}
        writer.add(MANIFEST, [json.dumps(manifest, sort_keys=True, indent=1).encode() + b"\n"])
    return left_out


def _entries(
    source: DatabaseSource, runs: Sequence[Run], without: Collection[str], scores_of: int | None
) -> dict[Any, Document]:
    """Return file id -> its line in the archive, for every file that the runs mention and the database knows."""
    all_of = [(run["_id"], *mention) for run in runs for mention in mentions(run)]
    wanted = {file_id for _, _, _, file_id in all_of}
    silent = _beyond(runs, scores_of)
    # A file that anything else mentions, too, stays in.
    staying = {
        file_id
        for run_id, kind, name, file_id in all_of
        if kind != "artifacts" or not (kind_of(name) in without or (kind_of(name) == "scores" and run_id in silent))
    }
    contents = source.contents(wanted)
    entries = {}
    for file in source.database.fs.files.find({"_id": {"$in": list(wanted)}}):
        content = contents.get(file["_id"], Content(None))
        left_out = content.left_out or (file["_id"] not in staying and content.sha256 is not None)
        file.pop("left_out", None)
        entries[file["_id"]] = {"file": file, "sha256": content.sha256, "left_out": left_out}
    return entries


def _beyond(runs: Sequence[Run], scores_of: int | None) -> set[Any]:
    """Return the ids of the runs whose series is complete at `scores_of` lower seeds; none where all count."""
    if scores_of is None:
        return set()
    seeds: dict[Any, set[int]] = {}
    for run in runs:
        if run["status"] == "COMPLETED":
            seeds.setdefault(run["info"].get("series"), set()).add(run["config"].get("seed", 0))
    kept = {series: sorted(found)[:scores_of] for series, found in seeds.items()}
    return {
        run["_id"]
        for run in runs
        if (series := run["info"].get("series")) in kept and run["config"].get("seed", 0) > kept[series][-1]
    }


class _Writer:
    """Adds members to a zip file, the same way on every machine, and keeps what the manifest says of them."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        self.members: dict[str, dict[str, Any]] = {}

    def add(self, name: str, pieces: Iterable[bytes], text: bool = True) -> str:
        """Add a member, compressed where it is `text`, and return its SHA-256."""
        info = zipfile.ZipInfo(name, EPOCH)
        info.create_system, info.external_attr = 3, 0o100644 << 16
        # Files of numbers hardly shrink, and what is stored as it is does not depend on any library.
        info.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
        digest, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)
                digest.update(piece)
                size += len(piece)
        self.members[name] = {"sha256": digest.hexdigest(), "size": size}
        return digest.hexdigest()


@contextlib.contextmanager
def _whole_zip(path: Path) -> Iterator[_Writer]:
    """Yield a writer to another name; only once all is on the disk does the file get its own."""
    partial = path.parent / f"{path.name}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w") as zipped:
                yield _Writer(zipped)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}. Name a file, in a place you may write to"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
