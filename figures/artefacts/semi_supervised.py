"""The semi-supervised table: methods by label fractions, a group of rows for every protocol."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from figures import captions, style
from figures.products import Artefact, Table
from figures.records import Study
from figures.scores import metric_names, test_scores
from figures.tables import MISSING, Cell, Grid, Group

UNDEFINED = "n/a"


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
    counts = sorted(set(rows.loc[rows["seeds"] > 0, "seeds"]))
    return [
        *(_cell(cell, max(counts, default=0)) for cell in rows.sort_values("percent").itertuples()),
        Cell("–".join(map(str, _ends(counts))) or MISSING),
    ]


def _cell(cell: Any, seeds: int) -> Cell:
    if not cell.seeds:
        return Cell(UNDEFINED if cell.undefined else MISSING)
    spread = f"{100 * (cell.high - cell.mean):.1f}" if cell.seeds > 1 else ""
    return Cell(f"{100 * cell.mean:.1f}", spread, f"n = {cell.seeds}" if cell.seeds != seeds else "")


def _ends(numbers: Sequence[int]) -> list[int]:
    return sorted({*numbers[:1], *numbers[-1:]})


def _caption(study: Study, scores: pd.DataFrame) -> str:
    counts = set(scores["seeds"]) - {0}
    tested = [run for series in study.series if series.tested for run in series.runs]
    sentences = [
        f"{captions.METRICS[captions.main_metric(study)]} (%) on the test split by share of training labels.",
        captions.label_counts(study),
    ]
    if max(counts, default=0) > 1:
        sentences.append(f"Mean ± half-width of the 95 % t-interval over {captions.seeds_averaged(tested, counts)}.")
        if 1 in counts:
            sentences.append("Cells of one seed have no interval.")
    else:
        sentences.append(f"One seed per cell ({captions.seeds(tested)}), so there is no interval.")
    if (scores["seeds"] + scores["undefined"]).eq(0).any():
        sentences.append(f"{MISSING}: no stored run gives this number.")
    if scores["undefined"].any():
        sentences.append(f"{UNDEFINED}, or fewer seeds (n): stored but undefined, as where a label has no positives.")
    return " ".join(filter(None, sentences))


ARTEFACT = Artefact("semi_supervised", "Semi-supervised classification", make)
