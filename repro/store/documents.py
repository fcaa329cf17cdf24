"""Stored documents as text: canonical extended JSON, and what each kind of document has to look like."""

import json
from collections.abc import Callable
from typing import Any

import bson
from bson import ObjectId, json_util

from repro.store.source import Run

LARGEST = 16 * 2**20
"""Bytes that a server takes as one document."""

Document = dict[str, Any]
Mention = tuple[str, str, Any]
"""Where a run mentions a file: "artifacts", "resources" or "sources", under which name, and the file's id."""


def text_of(document: Document) -> bytes:
    """Return a document as one line of canonical extended JSON: the same bytes whatever server it comes from."""
    options = json_util.CANONICAL_JSON_OPTIONS
    return json_util.dumps(document, json_options=options, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def document_of(text: bytes, check: Callable[[Document], None]) -> Document:
    """Return the document that `text_of` made a text of.

    Args:
        text: canonical extended JSON.
        check: one of the functions below; it raises ValueError for what no such document is.

    Raises:
        ValueError: it is not JSON, or not such a document, or no server could store it.
    """
    try:
        document = json_util.loads(text.decode(), json_options=json_util.CANONICAL_JSON_OPTIONS)
        _must(isinstance(document, dict), "it is not a document")
        check(document)
        _must(len(bson.encode(document)) <= LARGEST, "it is larger than 16 MB")
        return document
    except (TypeError, KeyError, OverflowError, RecursionError, bson.errors.BSONError, json.JSONDecodeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def mentions(run: Run) -> list[Mention]:
    """Return every file that a run's document mentions."""
    found = [("artifacts", item["name"], item["file_id"]) for item in run.get("artifacts") or []]
    found += [("resources", name, file_id) for name, file_id in run.get("resources") or []]
    return found + [("sources", name, file_id) for name, file_id in (run.get("experiment") or {}).get("sources", [])]


def check_run(run: Document) -> None:
    """Raise ValueError unless it is the document of a run."""
    _must(type(run["_id"]) in (int, bson.Int64) and run["_id"] > 0, "a run's id is a whole number above 0")
    for key, kind in (("command", str), ("status", str), ("config", dict), ("info", dict), ("artifacts", list)):
        _must(isinstance(run[key], kind), f"'{key}' is missing or of another kind")
    for _, name, file_id in mentions(run):
        _must(isinstance(name, str) and isinstance(file_id, ObjectId), "it mentions a file that has no proper id")


def check_series(series: Document) -> None:
    """Raise ValueError unless it is the document of a metric."""
    _must(isinstance(series["_id"], ObjectId) and isinstance(series["name"], str), "a metric has an id and a name")
    for key in ("steps", "values", "timestamps"):
        _must(isinstance(series.get(key, []), list), f"'{key}' is not a list")


def check_file(entry: Document) -> None:
    """Raise ValueError unless it is the line of a file: its GridFS document, its SHA-256, whether it was left out."""
    file, sha256 = entry["file"], entry["sha256"]
    _must(isinstance(file["_id"], ObjectId) and isinstance(entry["left_out"], bool), "a file has an id")
    _must(sha256 is None or (isinstance(sha256, str) and len(sha256) == 64), "a SHA-256 has 64 digits")
    _must(isinstance(file["length"], int) and file["length"] >= 0, "a file has a length")
    _must(isinstance(file["chunkSize"], int) and 0 < file["chunkSize"] < LARGEST, "a file has a size of its pieces")
    _must("left_out" not in file, "whether a file was left out stands beside its document")


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
