"""Comparison of encoders: the studies of the gauntlet, one for each encoder, with what an encoder costs."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from figures.evidence.evidence import Evidence
from figures.evidence.ordering import in_gauntlet
from figures.evidence.series import Run, Series
from figures.evidence.study import Study
from figures.evidence.titles import name_of_images
from figures.statistics.estimates import estimate
from figures.statistics.score_table import score_table

FACTS = {"parameters": "Parameters (M)", "macs": "MACs (M)", "images_per_second": "Images per second"}
"""What an encoder costs, and the heading of its column. Parameters and MACs are of the encoder without heads."""

COLUMNS = (
    "study", "images", "encoder", "protocol", "method", "label", "series", "percent", "metric",
    "seeds", "undefined", "mean", "low", "high", "runs", "cost",
)  # fmt: skip
"""`cost` is a protocol's place in rows that hold one of `FACTS` in place of a score."""


def encoder_scores(evidence: Evidence) -> pd.DataFrame:
    """Return every score of the gauntlet and what its encoders cost, one row each, with COLUMNS.

    Ordered by images, then by encoders from few to many operations.
    """
    rows = [row for study in evidence.studies if in_gauntlet(study) for row in _of_study(evidence, study)]
    data = pd.DataFrame(rows, columns=list(COLUMNS))
    macs = data[data["cost"] == "macs"].groupby("encoder")["mean"].first()
    return data.assign(order=data["encoder"].map(macs).fillna(float("inf"))).sort_values(
        ["images", "order", "encoder"], kind="stable", ignore_index=True
    ).drop(columns="order")  # fmt: skip


def encoder_name(run: Run) -> str:
    """Return what the encoder of a run is called, with the settings that make it differ from others of its name."""
    settings = run["config"]["encoder"]
    ours = settings["arch"].startswith("resnet") and {"stem": "imagenet", "width": 64}
    usual: dict[str, Any] = {"patch": None, **(ours or {})}
    told = [f"{key} {settings[key]}" for key, value in usual.items() if settings.get(key, value) != value]
    return f"{settings['arch']} ({', '.join(told)})" if told else str(settings["arch"])


def _of_study(evidence: Evidence, study: Study) -> Iterator[tuple[Any, ...]]:
    """Yield COLUMNS for the scores and costs of each series of a study."""
    data = study.config["data"]
    images = f"{name_of_images(study)}, {data['split']} split, {data['size']} px"
    tested = [one for one in study.series if one.tested and one.runs]
    scores = score_table(study, evidence.points_of(study), tested)
    for one in tested:
        head = (study.key, images, encoder_name(one.runs[-1]))
        for row in scores[scores["series"] == one.key].itertuples(index=False):
            yield (*head, *row, "")
        for fact in FACTS:
            yield (*head, "", one.method, one.label, one.key, 0.0, "", *_cost(one, fact), fact)


def _cost(series: Series, fact: str) -> tuple[Any, ...]:
    """Return seeds to runs of COLUMNS: one of FACTS over the runs of a series."""
    known = {run["_id"]: value for run in series.runs if (value := _known(run, fact)) is not None}
    found = estimate(known.values())
    return found.seeds, found.undefined, found.mean, found.low, found.high, " ".join(map(str, sorted(known)))


def _known(run: Run, fact: str) -> float | None:
    about, timings = run["info"].get("encoder", {}), run["info"].get("timings", {})
    return timings.get("features_per_second") if fact == "images_per_second" else about.get(fact)
