"""The gallery: images and the partners that each selector chose for them, borders by label."""

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import fonts
from figures.drawing.image_grid import label_legend, legend_columns, picture_grid, show
from figures.drawing.selectors import rank as selector_rank
from figures.drawing.selectors import stroke_of
from figures.evidence.evidence import Evidence
from figures.evidence.series import Run
from figures.evidence.study import PAPERS_METHOD

ARTIFACT = "partners.pictures"


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study = evidence.study
    preferred = study.trainer(PAPERS_METHOD)
    series = [one for one in (preferred, *study.trainers) if one is not None and one.runs]
    found = next((first for one in series if (first := evidence.first_with(one, ARTIFACT))), None)
    if found is None or not len(found[1]["queries"]):
        return None
    run, arrays = found
    selectors = sorted((name.split("/")[0] for name in arrays if name.endswith("/images")), key=selector_rank)
    names = [str(name) for name in study.data["class_names"]]
    label = next(one.label for one in series if run in one.runs)
    data = _table(arrays, selectors, names, label, run)
    action = functools.partial(_draw, arrays, selectors, fonts.drawable(names))
    caption = " ".join(filter(None, [_caption(label, run, arrays), fonts.key(names)]))
    return Drawing(caption, data, [], action, _alt(data), artifacts=(f"{ARTIFACT}.npz",))


def _draw(arrays: dict[str, np.ndarray], selectors: list[str], names: list[str], width: float) -> Figure:
    queries, labels = arrays["queries"], arrays["labels"]
    wide = width == style.TWO_COLUMNS
    many = labels.ndim == 2
    count = len(queries) if wide else math.ceil(len(queries) / 2)
    shown = [] if many else sorted({int(n) for key in arrays if key.endswith("labels") for n in arrays[key]})
    across = legend_columns([names[n] for n in shown], width)
    figure, panels = picture_grid(count + 1, len(selectors) + 1, width, math.ceil(len(shown) / across))
    for row, (title, images, of_row) in enumerate(_rows(arrays, selectors)):
        heading = panels[row, 0]
        heading.axis("off")
        heading.text(0, 0.5, title.replace(" ", "\n", 1), va="center", transform=heading.transAxes)
        for place in range(count):
            same = _same(labels[place], of_row[place])
            colour = style.class_look(int(of_row[place]))[0] if not many else style.INK if same else style.MUTED
            show(panels[row, place + 1], images[place], colour, dashed=not same)
    if shown:
        label_legend(figure, names, shown, across, marker=False)
    return figure


def _rows(arrays: dict[str, np.ndarray], selectors: list[str]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    partners = [(stroke_of(s).label, arrays[f"{s}/images"], arrays[f"{s}/labels"]) for s in selectors]
    return [("Image", arrays["queries"], arrays["labels"]), *partners]


def _same(one: Any, other: Any) -> bool:
    """Whether two images share a label, as partners are measured: their only one, or of several one, or none at all."""
    if np.ndim(one) == 0:
        return bool(one == other)
    return bool(np.any(one & other)) or not (np.any(one) or np.any(other))


def _table(arrays: dict[str, np.ndarray], selectors: list[str], names: list[str], label: str, run: Run) -> pd.DataFrame:
    rows = [
        (label, number, title, _told(theirs, names), _same(own, theirs), str(run["_id"]))
        for title, _, of_row in _rows(arrays, selectors)
        for number, (own, theirs) in enumerate(zip(arrays["labels"], of_row, strict=True))
    ]
    return pd.DataFrame(rows, columns=["label", "image", "row", "class", "same_label", "runs"])


def _told(label: Any, names: list[str]) -> str:
    if np.ndim(label):
        return "|".join(name for name, has in zip(names, label, strict=True) if has) or "none"
    return names[int(label)]


def _caption(label: str, run: Run, arrays: dict[str, np.ndarray]) -> str:
    many = arrays["labels"].ndim == 2
    borders = (
        "Borders: solid where the partner shares a label with the image of its column, or neither has any; else dashed."
        if many
        else "Borders: the label; dashed where it is not that of the image of the column."
    )
    return (
        f"Images of the last batch of pretraining and the partner that each selector chooses for them in it ({label}, "
        f"seed {run['config']['seed']}); random: drawn from the same batch. {borders} The images are spread over the "
        "labels of the batch, in its order, so this does not measure how often labels agree. Only the oracle uses "
        "labels to choose."
    )


def _alt(data: pd.DataFrame) -> str:
    said = ["Grid of images, and below each the partners that selectors choose for it."]
    for title, rows in data.groupby("row", sort=False):
        if title == "Image":
            said.append(f"Labels of the images: {', '.join(rows['class'])}.")
        else:
            said.append(f"{title}: {rows['same_label'].sum()} of {len(rows)} partners share the label.")
    return " ".join(said)


ARTEFACT = Artefact("gallery", "Images and their partners", make)
