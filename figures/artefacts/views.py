"""The augmented views: images as they are, and the two views of each that the networks see."""

import functools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing.image_grid import picture_grid, show
from figures.evidence.evidence import Evidence
from figures.evidence.series import Run

ARTIFACT = "views.pictures"

ROWS = {"original": "Image", "first": "View 1", "second": "View 2"}

NARROW = 4
"""Images shown in one column."""


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    series = [one for one in evidence.study.trainers if one.runs]
    found = next((first for one in series if (first := evidence.first_with(one, ARTIFACT))), None)
    if found is None:
        return None
    run, arrays = found
    data = pd.DataFrame(
        [("Views", row, *arrays[key].shape[1:], str(run["_id"])) for key, row in ROWS.items()],
        columns=["label", "row", "height", "width", "channels", "runs"],
    )
    action = functools.partial(_draw, arrays)
    alt = f"{len(arrays['original'])} images in a row, and below each the two randomly augmented views of it."
    return Drawing(_caption(run), data, [], action, alt, artifacts=(f"{ARTIFACT}.npz",))


def _draw(arrays: dict[str, np.ndarray], width: float) -> Figure:
    count = len(arrays["original"]) if width > 5 else min(NARROW, len(arrays["original"]))
    figure, panels = picture_grid(count + 1, len(ROWS), width, 0)
    for row, (key, title) in enumerate(ROWS.items()):
        panels[row, 0].axis("off")
        panels[row, 0].text(0, 0.5, title, va="center", transform=panels[row, 0].transAxes)
        for place in range(count):
            show(panels[row, place + 1], arrays[key][place])
    return figure


def _caption(run: Run) -> str:
    settings = run["config"].get("augment", {})
    told = ", ".join(f"{name} {value}" for name, value in sorted(settings.items()))
    sentences = ["Training images and two views of each, drawn as in pretraining: the networks see nothing else."]
    return " ".join([*sentences, f"Settings: {told}."] if told else sentences)


ARTEFACT = Artefact("views", "The augmented views", make)
