"""The semi-supervised table: methods by label fractions, a group of rows for every protocol."""

import pandas as pd

from figures import captions, style
from figures.cells import UNDEFINED, cell, intervals, most_seeds, seeds_cell
from figures.products import Artefact, Table
from figures.records import Study
from figures.scores import metric_names, test_scores
from figures.tables import MISSING, Cell, Grid, Group


def make(study: Study, points: pd.DataFrame) -> Table | None:
    """Return the table of a study."""
    scores = test_scores(study, points)
    if scores.empty or not (scores["seeds"] + scores["undefined"]).any():
        return None
    percents = sorted(scores["percent"].unique())
    groups = []
    for protocol, of_protocol in scores.groupby("protocol", sort=False):
        rows = [(str(rows["label"].iloc[0]), _row(rows)) for _, rows in of_protocol.groupby("series", sort=False)]
        groups.append(Group(style.PROTOCOLS.get(str(protocol), str(protocol)), rows))
    grid = Grid("Method", [*(f"{percent:g} %" for percent in percents), "Seeds"], groups)
    return Table(_caption(study, scores), scores, metric_names(scores), grid)


def _row(rows: pd.DataFrame) -> list[Cell]:
    seeds = most_seeds(rows)
    return [*(cell(mean, seeds) for mean in rows.sort_values("percent").itertuples()), seeds_cell(rows)]


def _caption(study: Study, scores: pd.DataFrame) -> str:
    tested = [run for series in study.series if series.tested for run in series.runs]
    sentences = [
        f"{captions.METRICS[captions.main_metric(study)]} (%) on the test split by share of training labels.",
        captions.label_counts(study),
        *intervals(scores, tested),
    ]
    if (scores["seeds"] + scores["undefined"]).eq(0).any():
        sentences.append(f"{MISSING}: no stored run gives this number.")
    if scores["undefined"].any():
        sentences.append(f"{UNDEFINED}, or fewer seeds (n): stored but undefined, as where a label has no positives.")
    return " ".join(filter(None, sentences))


ARTEFACT = Artefact("semi_supervised", "Semi-supervised classification", make)
