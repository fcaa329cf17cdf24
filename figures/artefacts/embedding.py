"""The embedding map: t-SNE of the frozen features of test images, coloured by label, a panel per method."""

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import fonts
from figures.drawing.image_grid import STRIP, label_legend, legend_columns
from figures.evidence.evidence import Evidence
from figures.evidence.series import Run, Series

ARTIFACT = "features"

SHOWN = ("random_init", "byol", "byol_tracin")
"""Methods that are drawn; the map shows what the additional positive changes. Methods of your own follow."""

PERPLEXITY, IMAGES, FEWEST = 30, 300, 10


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study = evidence.study
    found = [
        (one, *stored)
        for method in (*SHOWN, *style.own(one.method for one in study.references))
        if (one := study.reference(method)) and (stored := evidence.first_with(one, ARTIFACT)) and _mappable(stored[1])
    ]
    if not found:
        return None
    names = [str(name) for name in study.data["class_names"]]
    data = pd.concat([_mapped(one, run, arrays, names) for one, run, arrays in found], ignore_index=True)
    action = functools.partial(_draw, data, fonts.drawable(names))
    caption = " ".join(filter(None, [_caption(data, found), fonts.key(names)]))
    return Drawing(caption, data, [], action, _alt(data), artifacts=(f"{ARTIFACT}.npz",))


def _mappable(arrays: dict[str, np.ndarray]) -> bool:
    """Whether there are enough features for a map, and all are numbers."""
    return len(arrays["features"]) >= FEWEST and bool(np.isfinite(arrays["features"]).all())


def _mapped(series: Series, run: Run, arrays: dict[str, np.ndarray], names: list[str]) -> pd.DataFrame:
    stored = len(arrays["indices"])
    shown = np.linspace(0, stored - 1, min(IMAGES, stored)).round().astype(int)  # spread over the split's order
    features, labels = arrays["features"][shown].astype(np.float32), arrays["labels"][shown]
    many = labels.ndim == 2
    # Of several labels the first, in the data set's order; an image without any has none.
    numbers = np.where(labels.any(axis=1), labels.argmax(axis=1), -1) if many else labels
    table = pd.DataFrame(_tsne(features), columns=["x", "y"])
    table.insert(0, "label", series.label)
    table.insert(1, "image", arrays["indices"][shown])
    table.insert(2, "class", [names[n] if n >= 0 else "none" for n in numbers])
    table.insert(3, "number", numbers)
    return table.assign(runs=str(run["_id"]))


def _tsne(features: np.ndarray) -> np.ndarray:
    """Return float32 `[N, 2]`: t-SNE by scikit-learn, the same at every draw."""
    from sklearn.manifold import TSNE  # it takes a second, and only this figure needs it
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, max(1, (len(features) - 1) // 3))
    with threadpool_limits(limits=1):  # sums in another order would be other bytes
        return TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=0, n_jobs=1).fit_transform(features)


def _draw(data: pd.DataFrame, names: list[str], width: float) -> Figure:
    labels = list(dict.fromkeys(data["label"]))
    wide = width == style.TWO_COLUMNS
    shape = (1, len(labels)) if wide else (len(labels), 1)
    shown = [int(n) for n in sorted(set(data["number"])) if n >= 0]
    across = legend_columns([names[n] for n in shown], width)
    side = width / max(shape[1], 2) * (1 if wide else 1.5)
    height = shape[0] * (side + 0.1) + STRIP * (math.ceil(len(shown) / across) + 0.5)
    figure = Figure(figsize=(width, height), layout="constrained")
    for panel, label in zip(figure.subplots(*shape, squeeze=False).flat, labels, strict=True):
        rows = data[data["label"] == label]
        for number in sorted(set(rows["number"]), key=lambda n: -(rows["number"] == n).sum()):  # the rare ones on top
            of_class = rows[rows["number"] == number]
            colour, marker = style.class_look(int(number)) if number >= 0 else (style.GRID, ".")
            panel.scatter(of_class["x"], of_class["y"], s=7, color=colour, marker=marker, linewidths=0, alpha=0.85)
        panel.set_title(label)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_aspect("equal", "datalim")
        for side_of in ("top", "right"):
            panel.spines[side_of].set_visible(True)
    label_legend(figure, names, shown, across, marker=True)
    return figure


def _caption(data: pd.DataFrame, found: list[tuple[Series, Run, Any]]) -> str:
    count = data.groupby("label").size().max()
    seeds = sorted({run["config"]["seed"] for _, run, _ in found})
    several = " Of several labels the first is shown; pale: none." if (data["number"] < 0).any() else ""
    return (
        f"t-SNE (perplexity {PERPLEXITY}) of the frozen features of {count:,} test images, the same for every panel, "
        f"coloured by label; seed {', '.join(map(str, seeds))}.{several} Each panel is a map of its own: distances "
        "between groups and sizes of groups mean nothing, and it proves nothing."
    )


def _alt(data: pd.DataFrame) -> str:
    panels = ", ".join(dict.fromkeys(data["label"]))
    classes = data.drop_duplicates(["image"]).groupby("class", sort=False).size()
    told = ", ".join(f"{name} {count}" for name, count in classes.items())
    return f"Scatter plots of test images by t-SNE of their features: {panels}. Images by label: {told}."


ARTEFACT = Artefact("embedding", "Map of the features", make)
