"""The transfer table: encoders pretrained on other images, compared with training on the target images alone."""

from collections.abc import Sequence

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing.cells import UNDEFINED, cell, intervals, most_seeds, seeds_cell
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import metric_names
from figures.evidence.series import Series
from figures.evidence.study import Study
from figures.statistics.score_table import score_table

WITHOUT = ("random_init", "imagenet", "supervised", "semixup", "fixmatch", "fixmatch_paths")
"""Methods that learn nothing from the unlabelled images; those of the target itself are what transfer has to beat."""


def make(evidence: Evidence) -> Table | None:
    """Return the table of all studies."""
    tables = [table for study in evidence.studies for table in _of_study(evidence, study)]
    if not tables:
        return None
    data = pd.concat(tables, ignore_index=True)
    percents = sorted(data["percent"].unique())
    groups = [
        Group(
            f"{origin} → {target}: {style.PROTOCOLS.get(str(protocol), str(protocol)).lower()}{_metric(data, found)}",
            [(str(rows["label"].iloc[0]), _row(rows, percents)) for _, rows in found.groupby("series", sort=False)],
        )
        for (origin, target, protocol), found in data.groupby(["origin", "target", "protocol"], sort=False)
    ]
    grid = Grid("Method", [*(f"{percent:g} %" for percent in percents), "Seeds"], groups)
    return Table(_caption(evidence, data), data, metric_names(data), grid)


def _of_study(evidence: Evidence, study: Study) -> list[pd.DataFrame]:
    """Return the scores on a target, origin by origin, with the target's own methods WITHOUT pretraining below."""
    points = evidence.points_of(study)
    origins = dict.fromkeys(one.origin for one in study.transfers if one.origin is not None)
    own = [one for one in study.series if one.method in WITHOUT and one.reference]
    found = []
    for origin in origins:
        carried = [one for one in study.transfers if one.origin == origin]
        table = pd.concat([_scores(study, points, carried, ""), _scores(study, points, own, ", on the target alone")])
        table.insert(0, "origin", origin.label)
        table.insert(1, "target", titles.title(study))
        shown = table["series"].isin([one.key for one in carried]) & (table["seeds"] + table["undefined"] > 0)
        found.append(table[table["protocol"].isin(table.loc[shown, "protocol"])])
    return found


def _scores(study: Study, points: pd.DataFrame, series: Sequence[Series], remark: str) -> pd.DataFrame:
    table = score_table(study, points, series)
    return table.assign(label=table["label"] + remark)


def _metric(data: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Return the metric of a group's heading, where it is not that of all."""
    return "" if data["metric"].nunique() == 1 else f", {metrics.in_sentence(rows['metric'].iloc[0])}"


def _row(rows: pd.DataFrame, percents: Sequence[float]) -> list[Cell]:
    seeds, by_percent = most_seeds(rows), {row.percent: row for row in rows.itertuples()}
    cells = [cell(by_percent[p], seeds) if p in by_percent else Cell(MISSING) for p in percents]
    return [*cells, seeds_cell(rows)]


def _caption(evidence: Evidence, data: pd.DataFrame) -> str:
    studies = [study for study in evidence.studies if study.transfers]
    names = list(dict.fromkeys(metrics.METRICS[metrics.main_metric(study)] for study in studies))
    runs = [run for study in studies for one in study.transfers for run in one.runs]
    sentences = [
        f"{titles.listing(names)} (%) on the test split of images that the encoder was not pretrained on, by "
        "label fraction; pretrained on → evaluated on.",
        *intervals(data, runs),
    ]
    if any(one.origin is not None and one.origin.phantom for study in studies for one in study.transfers):
        sentences.append("Encoders pretrained on PHANTOM images: no medical claim.")
    if (data["seeds"] + data["undefined"]).eq(0).any():
        sentences.append(f"{MISSING}: no stored run gives this number.")
    if data["undefined"].any():
        sentences.append(f"{UNDEFINED}: stored but undefined, for example where a label has no positives.")
    return " ".join(sentences)


ARTEFACT = Artefact("transfer", "Transfer to other images", make, overall=True)
