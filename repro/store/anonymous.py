"""A run's document for strangers."""

from repro.store.documents import Document

NAMES = (("host", "hostname"), ("experiment", "base_dir"))
"""What Sacred notes of where a run was made that names a machine or a folder of its owner's."""


def anonymous(run: Document) -> Document:
    """Return a run's document without the names of the machine and folder where it was made."""
    kept = dict(run)
    for group, key in NAMES:
        if key in (kept.get(group) or {}):
            kept[group] = {**kept[group], key: ""}
    return kept
