"""A study in one line: how much was run, and the scores of the method and its rivals with the fewest labels."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from figures.drawing.cells import cell
from figures.evidence import metrics, titles
from figures.evidence.study import PAPERS_METHOD, Study
from figures.page.exhibits import Exhibit
from figures.statistics.differences import BASELINE
from figures.style import PROTOCOLS

SCORES = "semi_supervised"
"""The table that the scores are taken from."""

PREFERRED = ("finetune", "linear", "knn")
"""Protocols; the first that has scores is told."""


def summary(study: Study, exhibits: Sequence[Exhibit]) -> str:
    """Return the line of a study."""
    methods = len({one.method for one in study.series if one.runs})
    told = f"{titles.count(methods, 'method')}, {titles.count(len(study.runs), 'run')}, {titles.seeds(study.runs)}."
    tables = [exhibit.product.data for exhibit in exhibits if exhibit.artefact.name == SCORES]
    return f"{told} {_scores(study, tables[0])}".strip() if tables else told


def _scores(study: Study, table: pd.DataFrame) -> str:
    """Return the scores at the smallest label fraction: of the paper's method, of BYOL, and of the best method."""
    plain = {one.key for one in study.references}
    known = table[table["mean"].notna() & table["series"].isin(plain)]
    protocol = next((name for name in PREFERRED if (known["protocol"] == name).any()), None)
    if protocol is None:
        return ""
    rows = known[known["protocol"] == protocol]
    rows = rows[rows["percent"] == rows["percent"].min()]
    best = rows.loc[rows["mean"].idxmax()]
    chosen = {row.label: row for row in rows.itertuples() if row.method in (PAPERS_METHOD, BASELINE)}
    told = [f"{label} {_number(row)}" for label, row in chosen.items()]
    if best["label"] not in chosen:
        told.append(f"best: {best['label']} {_number(next(rows.loc[[best.name]].itertuples()))}")
    where = f"{PROTOCOLS.get(protocol, protocol)}, {rows['percent'].iloc[0]:g} % of labels"
    metric = metrics.in_sentence(metrics.main_metric(study))
    return f"{where}, {metric} (%): {'; '.join(told)}."


def _number(row: Any) -> str:
    return str(cell(row, row.seeds))
