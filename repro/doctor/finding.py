"""One answer to a question about this machine."""

from dataclasses import dataclass

DOORS = ("run", "reproduce", "figures")
"""The commands that do long work: `repro.run`, `repro.reproduce run`, `figures`."""


@dataclass(frozen=True)
class Finding:
    """What was found, in one line.

    Args:
        what: without a full stop.
        level: "fine"; "note": it works, but may surprise; "fails": something will fail.
        cure: what to do, without a full stop; empty where all is fine.
        stops: the commands, of `DOORS`, that cannot do their work so.
    """

    what: str
    level: str = "fine"
    cure: str = ""
    stops: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The finding and its cure."""
        return f"{self.what}. {self.cure}" if self.cure else self.what


def note(what: str, cure: str = "") -> Finding:
    """Return a finding of what works, but may surprise."""
    return Finding(what, "note", cure)


def failing(what: str, cure: str, stops: tuple[str, ...] = DOORS) -> Finding:
    """Return a finding of what will fail."""
    return Finding(what, "fails", cure, stops)
