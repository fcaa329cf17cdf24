"""Optional artifacts, which an archive of runs may leave out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """Artifacts that an archive can do without.

    Args:
        ending: how their names end.
        when: why one would leave them out; for the help of the command line.
    """

    ending: str
    when: str


OPTIONAL = {
    "weights": Kind(".safetensors", "they are most of the size, and figures need none"),
    "features": Kind("features.npz", "one figure needs them: embedding"),
    "scores": Kind(
        "test_scores.npz", "the test metrics stay, but ROC curves and intervals over test images are drawn from scores"
    ),
    "pictures": Kind(
        ".pictures.npz",
        "they show images of the data set, which you may not be allowed to share; some figures need them",
    ),
}
"""By name; `python -m repro.db export --no-NAME` leaves them out. No metric rests on any of them."""


def kind_of(artifact: str) -> str | None:
    """Return of which optional kind an artifact is, by its name; None for one that always stays."""
    return next((name for name, kind in OPTIONAL.items() if artifact.endswith(kind.ending)), None)
