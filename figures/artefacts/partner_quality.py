"""The partner-quality figure: how often partners share the image's label, by epoch, against chance."""

import functools

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.captions import LABELS_MEASURE, sampling
from figures.drawing.curves import Stroke, draw, over_seeds
from figures.drawing.panels import panels, ticks
from figures.drawing.selectors import rank, stroke_of
from figures.evidence import titles
from figures.evidence.evidence import Evidence
from figures.evidence.partners import measuring, selector_of
from figures.evidence.series import Series
from figures.evidence.study import PAPERS_METHOD, Study

VIEWS = {"": "all images", "_macro": "mean over classes"}


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study, points = evidence.study, evidence.points
    measured = {series.key for series in measuring(study, points)}
    able = [series for series in study.trainers if series.key in measured]
    rows = [series for series in able if series.method == PAPERS_METHOD] or able[:1]
    if not rows:
        return None
    stored = set(points["name"])
    names = [name for name in ("partners/chance", "partners/chance_macro") if name in stored]
    names += sorted(name for name in stored if name.startswith("partners/") and name.endswith(tuple(_endings())))
    curves = over_seeds(points, rows, names)
    curves.insert(1, "selector", [selector_of(name) for name in curves["metric"]])
    strokes = {name: stroke_of(name) for name in sorted(set(curves["selector"]), key=rank)}
    action = functools.partial(_draw, curves, strokes, rows)
    return Drawing(_caption(study, curves, rows), curves, names, action, _alt(curves, strokes))


def _draw(curves: pd.DataFrame, strokes: dict[str, Stroke], rows: list[Series], width: float) -> Figure:
    columns = 2 if width == style.TWO_COLUMNS else 1
    figure, groups = panels([2] * len(rows), columns, width, list(strokes.values()), [False] * len(rows))
    for series, axes in zip(rows, groups, strict=True):
        for (ending, view), panel in zip(VIEWS.items(), axes, strict=True):
            names = [f"partners/chance{ending}", *(f"partners/{name}/same_label{ending}" for name in strokes)]
            mine = curves[curves["metric"].isin(names) & (curves["series"] == series.key)]
            draw(panel, mine, strokes, "selector", 100)
            ticks(panel, epochs=True)
            panel.set_title(
                f"{view[0].upper()}{view[1:]}" + (f"\n{series.label}" if len(rows) > 1 else ""), linespacing=1.1
            )
            if columns == 1 or panel is axes[0]:
                panel.set_ylabel("Same label (%)")
            if columns == 2 or panel is axes[-1]:
                panel.set_xlabel("Epoch")
    return figure


def _endings() -> list[str]:
    return [f"/same_label{ending}" for ending in VIEWS]


def _caption(study: Study, curves: pd.DataFrame, rows: list[Series]) -> str:
    runs = [run for series in rows for run in series.runs]
    over = f"Lines: mean over {captions.seeds_averaged(runs, curves['seeds'])}; bands: lowest to highest seed."
    if curves["seeds"].max() < 2:
        over = f"One seed per line ({titles.seeds(runs)})."
    return (
        "How often an image's partner shares its label, by pretraining epoch, over all images and as a mean over "
        f"classes; dashed: chance, a partner drawn at random from the batch. {LABELS_MEASURE} "
        "Every selector is measured during the training of "
        f"{' '.join([f'{titles.listing([series.label for series in rows])}.', *sampling(runs), over])}"
    )


def _alt(curves: pd.DataFrame, strokes: dict[str, Stroke]) -> str:
    said = ["Line charts of the same-label rate of partners by epoch, last epoch in percent."]
    for (label, metric), rows in curves.groupby(["label", "metric"], sort=False):
        view = VIEWS["_macro" if str(metric).endswith("_macro") else ""]
        last = rows.iloc[-1]
        said.append(f"{label}, {strokes[last['selector']].label}, {view}: {100 * last['mean']:.1f}.")
    return " ".join(said)


ARTEFACT = Artefact("partner_quality", "Partner quality", make)
