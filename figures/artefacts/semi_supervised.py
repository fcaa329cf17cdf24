"""The semi-supervised table: methods by label fractions, a group of rows for every protocol."""

import math

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing import captions
from figures.drawing.cells import UNDEFINED, cell, intervals, most_seeds, seeds_cell
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence import metrics
from figures.evidence.evidence import Evidence
from figures.evidence.scores import metric_names
from figures.evidence.study import Study
from figures.statistics.bootstrap import interval
from figures.statistics.estimates import estimate
from figures.statistics.score_table import score_table

ARTIFACT = "test_scores"

RESAMPLED = 5
"""Seeds of a series whose test images are resampled: how much images matter differs little between seeds."""


def make(evidence: Evidence) -> Table | None:
    """Return the table of a study."""
    study, points = evidence.study, evidence.points
    scores = score_table(study, points, study.series)
    if scores.empty or not (scores["seeds"] + scores["undefined"]).any():
        return None
    scores = _with_images(evidence, scores)
    percents = sorted(scores["percent"].unique())
    groups = []
    for protocol, of_protocol in scores.groupby("protocol", sort=False):
        rows = [(str(rows["label"].iloc[0]), _row(rows)) for _, rows in of_protocol.groupby("series", sort=False)]
        groups.append(Group(style.PROTOCOLS.get(str(protocol), str(protocol)), rows))
    grid = Grid("Method", [*(f"{percent:g} %" for percent in percents), "Seeds"], groups)
    return Table(_caption(study, scores), scores, metric_names(scores), grid, artifacts=(f"{ARTIFACT}.npz",))


def _with_images(evidence: Evidence, scores: pd.DataFrame) -> pd.DataFrame:
    """Add images_half_width: half the width of the interval over resampled test images within a run, mean over the
    first seeds; NaN where no run stored its test scores.
    """  # fmt: skip
    widths: dict[tuple[str, str, float], list[float]] = {}
    for series in evidence.study.series:
        for _, arrays in evidence.of_seeds(series, ARTIFACT, RESAMPLED):
            for name in sorted(arrays.keys() - {"labels", "indices"}):
                protocol, percent = name.split("/")
                low, high = interval(metrics.main_metric(evidence.study), arrays[name], arrays["labels"])
                widths.setdefault((series.key, protocol, float(percent)), []).append((high - low) / 2)
    means = {place: estimate(found).mean for place, found in widths.items()}
    places = zip(scores["series"], scores["protocol"], scores["percent"], strict=True)
    column = [means.get(place, math.nan) for place in places]
    return scores.assign(images_half_width=column)


def _row(rows: pd.DataFrame) -> list[Cell]:
    seeds = most_seeds(rows)
    return [*(cell(mean, seeds) for mean in rows.sort_values("percent").itertuples()), seeds_cell(rows)]


def _caption(study: Study, scores: pd.DataFrame) -> str:
    tested = [run for series in study.series if series.tested for run in series.runs]
    sentences = [
        f"{metrics.METRICS[metrics.main_metric(study)]} (%) on the test split by label fraction.",
        captions.label_counts(study),
        captions.variants(study),
        *intervals(scores, tested),
    ]
    within = 100 * scores["images_half_width"].dropna()
    if len(within):
        low, high = within.min(), within.max()
        sentences.append(
            "Other test images would give other numbers, too: within a run, resampling the "
            f"{captions.test_images(study)} gives 95 % intervals of ± {low:.1f} to {high:.1f} points (bootstrap; each "
            "in the CSV)."
        )
    if (scores["seeds"] + scores["undefined"]).eq(0).any():
        sentences.append(f"{MISSING}: no stored run gives this number.")
    if scores["undefined"].any():
        sentences.append(
            f"{UNDEFINED}, or fewer seeds (n): stored but undefined, for example where a label has no positives."
        )
    return " ".join(filter(None, sentences))


ARTEFACT = Artefact("semi_supervised", "Semi-supervised classification", make)
