"""The table of images: of every data set and division the runs used, how many of each class are in which split."""

from typing import Any

import pandas as pd

from figures.artefacts.artefact import Artefact, Table
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence import titles
from figures.evidence.evidence import Evidence
from figures.evidence.study import Study

SPLITS = {"train": "Train", "val": "Validation", "test": "Test"}

ALL = "All images"


def make(evidence: Evidence) -> Table | None:
    """Return the table of all studies."""
    rows, groups = [], []
    for heading, studies in _divisions(evidence).items():
        data = studies[0].data
        runs = " ".join(map(str, sorted(run["_id"] for study in studies for run in study.runs)))
        counts = {ALL: data["images"], **_per_class(data)}
        lines = [(name, [_cell(found.get(split)) for split in SPLITS]) for name, found in counts.items()]
        groups.append(Group(heading, lines))
        rows += [
            (heading, name, split, found.get(split), data.get("sha256"), _sha256(data, split), runs)
            for name, found in counts.items()
            for split in SPLITS
        ]
    columns = ["label", "class", "split", "count", "sha256", "split_sha256", "runs"]
    grid = Grid("Class", list(SPLITS.values()), groups)
    return Table(_caption(evidence), pd.DataFrame(rows, columns=columns), [], grid)


def _divisions(evidence: Evidence) -> dict[str, list[Study]]:
    """Return the studies by the images that they share, under what to call these."""
    found: dict[str, list[Study]] = {}
    for study in evidence.studies:
        data, config = study.data, study.config["data"]
        parts = [titles.name_of_images(study), f"{config['split']} split", f"{config['size']} px", data["task"]]
        if "official" in data:
            parts.append("the official file" if data["official"] else "NOT the official file")
        if limit := data.get("limit") or config.get("limit"):
            parts.append(f"at most {limit:,} per split")
        if sha := data.get("sha256"):
            parts.append(f"SHA-256 {sha[:8]}")
        found.setdefault(", ".join(parts), []).append(study)
    return found


def _per_class(data: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return class -> split -> images."""
    per_class = data.get("per_class") or {}
    return {
        str(name): {split: int(per_class[split][c]) for split in SPLITS if split in per_class}
        for c, name in enumerate(data["class_names"])
        if per_class
    }


def _sha256(data: dict[str, Any], split: str) -> str | None:
    return (data.get("splits_sha256") or {}).get(split)


def _cell(count: int | None) -> Cell:
    return Cell(MISSING if count is None else f"{count:,}")


def _caption(evidence: Evidence) -> str:
    labels = any(study.data["task"] == "multi-label" for study in evidence.studies)
    sentences = [
        "Images in each split, in total and by class, as the runs read them; the CSV has the hashes of the splits."
    ]
    if labels:
        sentences.append("Of several labels an image counts for each that it has, and for none if it has none.")
    return " ".join(sentences)


ARTEFACT = Artefact("datasets", "Images and splits", make, overall=True)
