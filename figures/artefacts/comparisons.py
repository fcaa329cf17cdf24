"""The table of comparisons: every method against plain BYOL on the same seeds, and whether chance explains it."""

from typing import Any

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing import captions
from figures.drawing.cells import p_value, signed
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.statistics.differences import BASELINE, MEAN, differences


def make(evidence: Evidence) -> Table | None:
    """Return the table of a study."""
    data = differences(evidence.study, evidence.points)
    if data.empty:
        return None
    percents = [*sorted(p for p in data["percent"].unique() if p != MEAN), MEAN]
    groups = []
    for protocol in sorted(data["protocol"].unique(), key=lambda name: style.rank(name, style.PROTOCOLS)):
        of_protocol = data[data["protocol"] == protocol]
        rows = [
            (str(rows["label"].iloc[0]), _row(rows, percents)) for _, rows in of_protocol.groupby("series", sort=False)
        ]
        groups.append(Group(style.PROTOCOLS.get(protocol, protocol), rows))
    headings = [f"{percent:g} %" if percent != MEAN else "Mean" for percent in percents]
    grid = Grid("Method", [*headings, "p of the mean", "Pairs"], groups)
    metric = metrics.main_metric(evidence.study)
    names = sorted({f"test/{protocol}/{metric}" for protocol in data["protocol"]})
    return Table(_caption(evidence, data), data, names, grid)


def _row(rows: pd.DataFrame, percents: list[float | str]) -> list[Cell]:
    by_percent: dict[Any, Any] = {row.percent: row for row in rows.itertuples()}
    cells = [signed(by_percent[p]) if p in by_percent else Cell(MISSING) for p in percents]
    counts = sorted(set(rows["seeds"]))
    p = p_value(by_percent[MEAN].p_holm) if MEAN in by_percent else ""
    return [*cells, Cell(p or MISSING), Cell("–".join(map(str, sorted({counts[0], counts[-1]}))))]


def _caption(evidence: Evidence, data: pd.DataFrame) -> str:
    study = evidence.study
    metric = metrics.in_sentence(metrics.main_metric(study))
    baseline = style.look(BASELINE).label
    runs = [run for series in study.references if series.tested for run in series.runs]
    sentences = [
        f"Difference of the {metric} on the test split to {baseline} with the same seed, in points,",
        "by label fraction, and for the mean over label fractions.",
    ]
    over = captions.seeds_averaged(runs, data["seeds"])
    if data["seeds"].max() > 2:
        sentences += [
            f"Mean ± half-width of the 95 % t-interval over pairs of runs, {over}.",
            "p: paired t-test of the mean, two-sided, Holm-adjusted for the number of methods compared under the "
            "same protocol; the columns before it are not tested.",
        ]  # fmt: skip
    elif data["seeds"].max() == 2:
        sentences.append(f"At most two pairs of runs ({over}): two make no interval and no test.")
    else:
        sentences.append(f"One pair of runs each ({titles.seeds(runs)}), so there is no interval and no test.")
    return " ".join(filter(None, [*sentences, captions.references(study)]))


ARTEFACT = Artefact("comparisons", f"Every method against {style.look(BASELINE).label}", make)
