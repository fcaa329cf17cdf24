"""The processes that a study has forked, as the system tells."""

from pathlib import Path


def forked_by(study: int) -> list[int]:
    """Return the processes that work for a process: their parent is its fork server, whose parent it is."""
    parents, forked = {}, set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if b"forkserver" in (place / "cmdline").read_bytes():
                forked.add(int(place.name))
        except OSError:  # it has just ended
            continue
    return sorted(p for p in forked if parents[p] in forked and parents.get(parents[p]) == study)
