"""Anonymised run documents."""

import re
from typing import Any

from repro.store.documents import Document
from repro.store.integrity import record_sha256

NAMES = (("host", "hostname"), ("experiment", "base_dir"))
"""What Sacred notes of where a run was made that names a machine or a folder of its owner's."""

TEXTS = ("captured_out", "fail_trace")
"""What a run wrote, and where it broke: both may name folders."""

FOLDERS = re.compile(r"(?<![\w./:-])/(?:[^\s/'\"`,;:()]+/)+")
"""The folders at the beginning of an absolute path; of an address (`scheme://`) nothing."""


def anonymous(run: Document) -> Document:
    """Return a run's document without the names of the machine and folders where it was made.

    What its observer hashed gets the hash of what is left of it; what was altered before stays altered.
    """
    kept = dict(run)
    for group, key in NAMES:
        if key in (kept.get(group) or {}):
            kept[group] = {**kept[group], key: ""}
    host = (run.get("host") or {}).get("hostname")
    for key in TEXTS:
        if key in kept:
            kept[key] = _nameless(kept[key], host)
    _hash_again(run, kept)
    return kept


def _nameless(text: Any, host: str | None) -> Any:
    if isinstance(text, list):
        return [_nameless(line, host) for line in text]
    if not isinstance(text, str):
        return text
    text = FOLDERS.sub(".../", text)
    return re.sub(rf"\b{re.escape(host)}\b", "HOST", text) if host else text


def _hash_again(run: Document, kept: Document) -> None:
    info = run.get("info") or {}
    expected = info.get("expected")
    record = expected.get("record") if isinstance(expected, dict) else None
    if not isinstance(record, dict):
        return
    assert expected is not None
    before, after = record_sha256(run, {}), record_sha256(kept, {})
    fresh = {key: after[key] for key in ("host", "experiment", "captured_out") if record.get(key) == before.get(key)}
    kept["info"] = {**info, "expected": {**expected, "record": {**record, **fresh}}}
