"""The sensitivity table: what changes if one setting of an additional positive does, and all others stay."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing.cells import cell, intervals, most_seeds, seeds_cell, signed
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.ordering import aside
from figures.evidence.partners import gain_over
from figures.evidence.scores import seed_scores
from figures.evidence.series import Series, differing, flat
from figures.evidence.study import PAPERS_METHOD, Study
from figures.statistics.differences import BASELINE, MEAN, gains
from figures.statistics.estimates import difference, estimate

METHODS = (PAPERS_METHOD, "byol_oracle")
"""Whose settings: the paper's method, and beside it partners with the same label, to show the cost of wrong ones."""

OVER_CHANCE, OVER_REFERENCE, OVER_BYOL = SIGNED = (
    "partners_over_chance", "finetune_over_reference", "finetune_over_byol",
)  # fmt: skip

COLUMNS = (
    "study_key", "study", "method", "setting", "value", "label", "reference", "statistic", "seeds", "undefined", "mean",
    "low", "high", "runs",
)  # fmt: skip


def make(evidence: Evidence) -> Table | None:
    """Return the table of all studies."""
    rows = list(_rows(evidence))
    if not rows:
        return None
    data = pd.DataFrame(rows, columns=list(COLUMNS))
    headings = {
        **{name: f"{title} (%)" for name, title in style.PROTOCOLS.items()},
        OVER_BYOL: f"Fine-tuning, over {style.look(BASELINE).label} (points)",
        OVER_REFERENCE: "Fine-tuning, over the reference (points)",
        OVER_CHANCE: "Partners, over chance (points)",
    }
    shown = {key: title for key, title in headings.items() if data.loc[data["statistic"] == key, "seeds"].any()}
    groups = []
    for (_, study, method, setting), found in data.groupby(["study_key", "study", "method", "setting"], sort=False):
        lines = [(str(rows["label"].iloc[0]), _row(rows, shown)) for _, rows in found.groupby("value", sort=False)]
        groups.append(Group(f"{style.look(str(method)).label}, {setting}: {study}", lines))
    grid = Grid("Value", [*shown.values(), "Seeds"], groups)
    return Table(_caption(evidence, data), data, _names(evidence, data), grid)


def _rows(evidence: Evidence) -> Iterator[tuple[Any, ...]]:
    """Yield COLUMNS: for every study, method and setting the series that differ from the reference in nothing else."""
    told: set[tuple[str, frozenset[str]]] = set()
    for method, study in itertools.product(METHODS, evidence.studies):
        base = study.reference(method)
        if base is None or aside(study, evidence.studies):
            continue
        variants: dict[str, list[tuple[Study, Series]]] = {}
        for other, one in _series(evidence, method):
            changed = _changed(study, base, other, one)
            if len(changed) == 1:
                variants.setdefault(changed[0], []).append((other, one))
        for setting, found in sorted(variants.items()):
            group = (setting, frozenset({base.key, *(one.key for _, one in found)}))
            if group in told:  # of two studies each is a variant of the other
                continue
            told.add(group)
            every = sorted([(study, base), *found], key=lambda pair: _order(_value(pair[1], setting)))
            for other, one in every:
                yield from _measured(evidence, (study, base), (other, one), setting)


def _series(evidence: Evidence, method: str) -> Iterator[tuple[Study, Series]]:
    """Yield the series of a method that have results, with their studies."""
    for study in evidence.studies:
        for one in study.series:
            if one.method == method and one.runs and (one.tested or one.reference):
                yield study, one


def _changed(study: Study, base: Series, other: Study, one: Series) -> list[str]:
    """Return the settings in which a series differs from the reference; more than one where the images do."""
    if one.key == base.key or not study.same_images(other):
        return []
    return differing(base, one)


def _measured(
    evidence: Evidence, reference: tuple[Study, Series], variant: tuple[Study, Series], setting: str
) -> Iterator[tuple[Any, ...]]:
    (study, base), (other, one) = reference, variant
    value, is_reference = _value(one, setting), one.key == base.key
    label = f"{_told(value)} (reference)" if is_reference else _told(value)
    head = (study.key, titles.title(study), base.method, setting, _told(value), label, is_reference)
    ids = {run["config"]["seed"]: run["_id"] for run in one.runs}
    points = {s.key: evidence.points_of(s) for s in (study, other)}
    scores = {key: seed_scores(s, points[key]) for s, key in ((study, study.key), (other, other.key))}
    mine = scores[other.key][scores[other.key]["series"] == one.key]
    for protocol in style.PROTOCOLS:
        table = mine[mine["protocol"] == protocol].pivot(index="seed", columns="percent", values="value")
        means = table.mean(axis=1, skipna=False)
        found = estimate(means)
        runs = " ".join(str(ids[seed]) for seed in means.index)
        yield (*head, protocol, found.seeds, found.undefined, found.mean, found.low, found.high, runs)
    both = pd.concat([scores[study.key], scores[other.key]]).drop_duplicates(["run_id", "protocol", "percent"])
    byol = other.reference(BASELINE)
    for statistic, than in ((OVER_BYOL, byol), (OVER_REFERENCE, None if is_reference else base)):
        if than is not None:
            yield (*head, statistic, *_gained(both, one, than))
    if one.method == PAPERS_METHOD:
        over = gain_over(points[other.key], one)
        found = estimate(over)
        runs = " ".join(map(str, over.index))
        yield (*head, OVER_CHANCE, found.seeds, found.undefined, found.mean, found.low, found.high, runs)


def _gained(scores: pd.DataFrame, one: Series, than: Series) -> tuple[Any, ...]:
    """Return seeds to runs of COLUMNS: how much better a series is than another when fine-tuned, by seed."""
    gain = gains(scores, one, than)[MEAN]
    gain = gain[gain.index.get_level_values("protocol") == "finetune"].dropna()
    found = difference(gain)
    seeds = set(gain.index.get_level_values("seed"))
    runs = " ".join(str(run["_id"]) for series in (one, than) for run in series.runs if run["config"]["seed"] in seeds)
    return (found.pairs, 0, found.mean, found.low, found.high, runs)


def _value(series: Series, setting: str) -> Any:
    return dict(flat(series.runs[0]["config"])).get(setting)


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, str(value))


def _told(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(rows: pd.DataFrame, shown: Mapping[str, str]) -> list[Cell]:
    by_statistic = {row.statistic: row for row in rows.itertuples()}
    seeds = most_seeds(rows)
    return [*(_told_of(by_statistic.get(name), seeds) for name in shown), seeds_cell(rows)]


def _told_of(row: Any, seeds: int) -> Cell:
    if row is None:
        return Cell(MISSING)
    plain = cell(row, seeds)
    return dataclasses.replace(plain, text=signed(row).text) if row.seeds and row.statistic in SIGNED else plain


def _names(evidence: Evidence, data: pd.DataFrame) -> list[str]:
    used = set(data["statistic"])
    compared = {metrics.main_metric(study) for study in evidence.studies}
    names = {f"test/{protocol}/{metric}" for protocol in style.PROTOCOLS for metric in compared if protocol in used}
    return sorted(
        names
        | ({"partners/chance_macro", "partners/tracin_cosine/same_label_macro", "partners/tracin_dot/same_label_macro"})
    )


def _caption(evidence: Evidence, data: pd.DataFrame) -> str:
    runs = [run for study in evidence.studies for one in study.series if one.method in METHODS for run in one.runs]
    sentences = [
        "One setting changed at a time. The reference: all settings of the scale, as in the other tables. Test metric: "
        "mean over the label fractions; over BYOL or the reference: mean difference over the seeds that both "
        "have; partners: how much more often than chance they share the image's label in the last epoch (mean over "
        "classes).",
        *intervals(data, runs),
        "No tests here: there are many rows.",
        f"{MISSING}: does not apply, or no stored run gives it.",
    ]
    return " ".join(sentences)


ARTEFACT = Artefact(
    "sensitivity", "How results change with settings that the abstract does not give", make, overall=True
)
