"""The selector table: what every selector's partners are like at the end of training, a group of rows per series."""

from collections.abc import Iterator

import pandas as pd

from figures.artefacts.artefact import Artefact, Table
from figures.drawing.captions import LABELS_MEASURE, sampling
from figures.drawing.cells import UNDEFINED, cell, intervals, most_seeds, seeds_cell
from figures.drawing.selectors import rank, stroke_of
from figures.drawing.tables import MISSING, Grid, Group
from figures.evidence import titles
from figures.evidence.evidence import Evidence
from figures.evidence.metric_points import named
from figures.evidence.partners import CHANCE, measuring, selector_of
from figures.evidence.study import Study
from figures.statistics.estimates import estimate

STATISTICS: dict[str, tuple[str, float]] = {
    "same_label": ("Same label (%)", 100),
    "same_label_macro": ("Same label, mean over classes (%)", 100),
    "over_chance": ("Over chance, mean over classes (points)", 100),
    "mutual": ("Mutual (%)", 100),
    "hub_max": ("Largest hub (in-degree)", 1),
    "agrees_with_cosine": ("Agrees with cosine (%)", 100),
}
"""Heading of each column, and what its numbers are multiplied with."""

COLUMNS = (
    "method", "label", "series", "selector", "statistic", "seeds", "undefined", "mean", "low", "high", "runs",
)  # fmt: skip


def make(evidence: Evidence) -> Table | None:
    """Return the table of a study."""
    study, points = evidence.study, evidence.points
    series = measuring(study, points)
    if not series:
        return None
    last = _last(points)
    last = last[last["series"].isin([one.key for one in series])]
    rows = [
        (one.method, one.label, one.key, *measured)
        for one in series
        for measured in _measured(last[last["series"] == one.key])
    ]
    data = pd.DataFrame(rows, columns=list(COLUMNS))
    shown = {_name(selector, statistic) for selector in set(data["selector"]) for statistic in STATISTICS}
    names = sorted(shown & set(last["name"]))
    return Table(_caption(study, data, last), data, names, _grid(data))


def _last(points: pd.DataFrame) -> pd.DataFrame:
    """Return the partner statistics of every run's last epoch."""
    partners = named(points, "partners/.*")
    return partners[partners["step"] == partners.groupby("run_id")["step"].transform("max")]


def _measured(last: pd.DataFrame) -> Iterator[tuple[str, str, int, int, float, float, float, str]]:
    """Yield COLUMNS, from selector on, for one series."""
    values = {str(name): rows.set_index("run_id")["value"] for name, rows in last.groupby("name")}
    selectors = {selector_of(name) for name in values if name.endswith("/same_label")}
    for selector in sorted({*selectors, CHANCE}, key=rank):
        for statistic in STATISTICS:
            found = _of(values, selector, statistic).sort_index()
            mean = estimate(found)
            runs = " ".join(map(str, found.index))
            yield selector, statistic, mean.seeds, mean.undefined, mean.mean, mean.low, mean.high, runs


def _of(values: dict[str, pd.Series], selector: str, statistic: str) -> pd.Series:
    """Return one statistic by run; what is over chance is paired with the chance of the same run."""
    nothing = pd.Series(dtype=float)
    if statistic == "over_chance":
        if selector == CHANCE:
            return nothing
        chance = values.get("partners/chance_macro", nothing)
        same = _of(values, selector, "same_label_macro")
        both = same.index.intersection(chance.index)
        return same[both] - chance[both]
    return values.get(_name(selector, statistic), nothing)


def _name(selector: str, statistic: str) -> str:
    if selector == CHANCE:
        return f"partners/{statistic.replace('same_label', CHANCE)}"
    return f"partners/{selector}/{statistic}"


def _grid(data: pd.DataFrame) -> Grid:
    groups = []
    for _, of_series in data.groupby("series", sort=False):
        rows = []
        for selector, found in of_series.groupby("selector", sort=False):
            seeds = most_seeds(found)
            cells = [cell(mean, seeds, STATISTICS[str(mean.statistic)][1]) for mean in found.itertuples()]
            rows.append((stroke_of(str(selector)).label, [*cells, seeds_cell(found)]))
        groups.append(Group(f"While {of_series['label'].iloc[0]} trains", rows))
    return Grid("Selector", [*(heading for heading, _ in STATISTICS.values()), "Seeds"], groups)


def _caption(study: Study, data: pd.DataFrame, last: pd.DataFrame) -> str:
    epochs = titles.listing([f"{step:g}" for step in sorted(set(last["step"]))])
    drawn = set(last["run_id"])
    sentences = [
        f"The partners that each selector chooses, in the last epoch of each run ({epochs}).",
        "Same label: how often an image's partner shares its label, over all images and as a mean over classes;",
        "over chance: less the chance of the same run; mutual: the image is its partner's partner;",
        "largest hub: the most images of a batch that share one partner, mean over batches;",
        "agrees with cosine: the partner is the nearest by cosine. Chance: a partner drawn at random from the batch.",
        LABELS_MEASURE,
        *sampling(run for run in study.own_runs if run["_id"] in drawn),
        *intervals(data, [run for run in study.own_runs if run["_id"] in drawn]),
        f"{MISSING}: does not apply, or no stored run gives it.",
    ]
    if data["undefined"].any():
        sentences.append(
            f"{UNDEFINED}, or fewer seeds (n): stored but undefined, for example where no image had a partner."
        )
    return " ".join(sentences)


ARTEFACT = Artefact("selectors", "Partners by selector", make)
