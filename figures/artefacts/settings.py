"""The table of hyper-parameters: every setting of a study with its value and where the value comes from."""

from typing import Any

import pandas as pd

from figures.artefacts.artefact import Artefact, Table
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence.evidence import Evidence
from figures.evidence.series import Run, flat

UNTOLD = (
    "seed", "scale", "device", "data.title", "data.residency", "evaluate.pretraining", "tracin.pretraining",
    "method.name",
)  # fmt: skip
"""Settings that differ from run to run or machine to machine by their nature."""

SOURCES = {
    "[A]": "the paper's abstract",
    "[BYOL]": "Grill et al. 2020",
    "[TracIn]": "Pruthi et al. 2020",
    "[SimCLR]": "Chen et al. 2020",
    "[Semixup]": "the code of Nguyen et al. 2020",
    "[us]": "our default",
    "[set]": "not the default: set by a named config, or on the command line",
}


def make(evidence: Evidence) -> Table | None:
    """Return the table of a study."""
    series = [one for one in evidence.study.series if one.runs]
    if not series:
        return None
    values: dict[str, dict[str, list[str]]] = {}  # setting -> value -> labels of the series that have it
    sources: dict[tuple[str, str], set[str]] = {}
    for one in series:
        marks = dict(flat(one.runs[-1]["info"].get("sources") or {}))
        for name, value in sorted(flat(one.runs[-1]["config"])):
            if name not in UNTOLD:
                values.setdefault(name, {}).setdefault(_told(value), []).append(one.label)
                sources.setdefault((name, _told(value)), set()).add(str(marks.get(name, MISSING)))
    runs = " ".join(str(run["_id"]) for one in series for run in one.runs)
    rows = [
        ("All settings", name, value, "|".join(labels), "|".join(sorted(sources[name, value])), runs)
        for name, found in values.items()
        for value, labels in found.items()
    ]
    data = pd.DataFrame(rows, columns=["label", "setting", "value", "series", "source", "runs"])
    return Table(_caption(evidence.study.own_runs, data), data, [], _grid(values, sources))


def _grid(values: dict[str, dict[str, list[str]]], sources: dict[tuple[str, str], set[str]]) -> Grid:
    groups: dict[str, list[tuple[str, list[Cell]]]] = {}
    for name, found in values.items():
        commonest = max(found, key=lambda value: len(found[value]))
        for value in sorted(found, key=lambda value: value != commonest):
            whose = ", ".join(found[value]) if value != commonest else "all" if len(found) == 1 else "all others"
            mark = " ".join(sorted(sources[name, value]))
            groups.setdefault(name.partition(".")[0], []).append((name, [Cell(value), Cell(mark), Cell(whose)]))
    sections = [Group(name.capitalize(), rows) for name, rows in groups.items()]
    return Grid("Setting", ["Value", "Source", "Methods"], sections, align="l")


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _caption(runs: list[Run], data: pd.DataFrame) -> str:
    marks = {mark for listed in data["source"] for mark in listed.split("|")}
    told = "; ".join(f"{mark} {meaning}" for mark, meaning in SOURCES.items() if mark in marks)
    sentences = ["Every setting of the study, and where its value comes from."]
    if told:
        sentences.append(f"{told[0].upper()}{told[1:]}.")
    if MISSING in marks:
        sentences.append(f"{MISSING}: its runs did not store where the value comes from.")
    return " ".join(sentences)


ARTEFACT = Artefact("settings", "Hyper-parameters", make)
