"""The table of published numbers: published numbers and our runs of the same experiment."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing.cells import cell
from figures.drawing.tables import Cell, Grid, Group
from figures.evidence import metrics
from figures.evidence.evidence import Evidence
from figures.evidence.scores import seed_scores
from figures.evidence.study import Study
from figures.statistics.estimates import estimate

NUMBERS = Path(__file__).with_name("published.toml")

METRICS = {"macro_auc": "AUC", "accuracy": "Accuracy"}

COLUMNS = (
    "source", "protocol", "label", "images", "metric", "published_low", "published_high", "seeds", "undefined", "mean",
    "low", "high", "width", "differs", "runs",
)  # fmt: skip


def make(evidence: Evidence) -> Table | None:
    """Return the table over all studies; None where no run repeats a published experiment."""
    numbers = tomllib.loads(NUMBERS.read_text())["number"]
    data = pd.DataFrame([row for number in numbers for row in _rows(evidence, number)], columns=list(COLUMNS))
    if data.empty:
        return None
    groups = []
    for (source, protocol), own in data.groupby(["source", "protocol"], sort=False):
        lines = [(f"{row.label}, {METRICS[str(row.metric)]}", _cells(row)) for row in own.itertuples()]
        groups.append(Group(f"{source}: {protocol}", lines))
    grid = Grid("Images", ["Published", "Ours", "Seeds", "Width", "What differs"], groups, align="l")
    return Table(_caption(), data, sorted(f"test/*/{metric}" for metric in METRICS), grid)


def _rows(evidence: Evidence, number: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for study in evidence.studies:
        series = study.reference(number["method"])
        if not _is_of(study, number) or series is None:
            continue
        for metric, (low, high) in number["values"].items():
            scores = seed_scores(study, evidence.points_of(study), metric)
            asked = (scores["protocol"] == number["probe"]) & (scores["percent"] == number["percent"])
            own = scores[asked & (scores["series"] == series.key)]
            if own.empty:
                continue
            found = estimate(own["value"])
            yield (
                number["source"], number["protocol"], style.DATA[number["images"]], number["images"], metric, low, high,
                found.seeds, found.undefined, found.mean, found.low, found.high, study.config["encoder"]["width"],
                number["differs"] + _precision(study), " ".join(map(str, own["run_id"])),
            )  # fmt: skip


def _is_of(study: Study, number: dict[str, Any]) -> bool:
    data = study.config["data"]
    return (data["name"], data["split"], study.scale) == (number["images"], number["split"], number["scale"])


def _precision(study: Study) -> str:
    return "; ours computes in bfloat16" if study.config["evaluate"]["finetune"].get("precision") == "bf16" else ""


def _cells(row: Any) -> list[Cell]:
    ends = sorted({f"{100 * row.published_low:.1f}", f"{100 * row.published_high:.1f}"})
    return [Cell("–".join(ends)), cell(row, row.seeds), Cell(str(row.seeds)), Cell(str(row.width)), Cell(row.differs)]


def _caption() -> str:
    return (
        "Published numbers beside our runs of the same experiment, in percent on the test split; ours: mean ± "
        "half-width of the 95 % t-interval over seeds. Width: channels of the first stage, 64 in the published "
        "networks. "
        f"{metrics.METRICS['macro_auc']}: one class against the rest, mean over classes."
    )


ARTEFACT = Artefact("published", "Comparison with published numbers", make, overall=True)
