"""The page: every exhibit of every study, in one HTML file that needs nothing else."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from figures import style
from figures.artefacts.artefact import Drawing, Table
from figures.claims.ledger import read
from figures.drawing import captions
from figures.drawing.tables import templates
from figures.evidence import titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import run_ids
from figures.evidence.study import LeftOut, Study
from figures.page import cards
from figures.page.exhibits import Exhibit, commits
from figures.page.study_summary import summary

PAGE = "index.html"

FIGURE, LEDGER = "effects", "claims"
"""Names of the figure that follows the cards, and of the table that has all their numbers."""

OVERALL = "overall"
"""Anchor of what all studies give together."""

Numbers = dict[str, Iterator[int]]
"""The number that the next table, and the next figure, has."""

KINDS = {"pdf": "PDF", "png": "PNG", "tex": "LaTeX", "md": "Markdown", "csv": "CSV", "json": "provenance (JSON)"}


@dataclass(frozen=True)
class Chapter:
    """The exhibits of a study, or of all together, and the titles of what no stored run gives any number for."""

    evidence: Evidence
    exhibits: Sequence[Exhibit]
    missing: Sequence[str]


def page(overall: Chapter, chapters: Sequence[Chapter], left_out: Sequence[LeftOut]) -> bytes:
    """Return the page as UTF-8 bytes: the answer and its figure, then study by study, then what all give together."""
    numbers: Numbers = {"Table": count(1), "Figure": count(1)}
    about = captions.about(overall.evidence)
    labels = {label: method for chapter in chapters for label, method in _methods(chapter.evidence.study).items()}
    figure = _found(overall, FIGURE)
    shown: dict[str, Any] = {
        "groups": cards.groups(read(), _judged(overall)),
        "figure": figure and _exhibit("", about, figure, labels, numbers),
        "studies": [_chapter(chapter, numbers) for chapter in chapters],
        "overall": {
            "title": "All studies together",
            "exhibits": [
                _exhibit("", about, exhibit, labels, numbers) for exhibit in overall.exhibits if exhibit is not figure
            ],
            "missing": overall.missing,
        },
    }
    return (
        templates(Path(__file__).parent, autoescape=True)
        .get_template("index.html.jinja")
        .render(
            **shown,
            ledger=next((one for one in shown["overall"]["exhibits"] if one["name"] == LEDGER), None),
            images=list(dict.fromkeys(study["images"] for study in shown["studies"])),
            methods=_options(chapters),
            left_out=left_out,
            lacking=[str(run) for run in left_out if run.replaced_by is None],
            repeated=[str(run) for run in left_out if run.replaced_by is not None],
        )
        .encode()
    )


def _found(chapter: Chapter, name: str) -> Exhibit | None:
    return next((exhibit for exhibit in chapter.exhibits if exhibit.artefact.name == name), None)


def _judged(overall: Chapter) -> pd.DataFrame:
    ledger = _found(overall, LEDGER)
    assert ledger is not None  # it has a row for every claim, also without any run
    return ledger.product.data


def _chapter(chapter: Chapter, numbers: Numbers) -> dict[str, Any]:
    study, labels = chapter.evidence.study, _methods(chapter.evidence.study)
    warnings = captions.warnings(study, chapter.evidence.points)
    return {
        "anchor": study.folder,
        "title": titles.title(study),
        "brief": summary(study, chapter.exhibits),
        "images": titles.name_of_images(study),
        "methods": list(dict.fromkeys(one.method for one in study.all_series if one.runs)),
        "description": " ".join(captions.description(study)),
        "warnings": warnings,
        "facts": _facts(study),
        "exhibits": [
            _exhibit(study.folder, " ".join(warnings), exhibit, labels, numbers) for exhibit in chapter.exhibits
        ],
        "missing": chapter.missing,
    }


def _methods(study: Study) -> dict[str, str]:
    """Return the method of every label under which a table of a study has a row."""
    return {one.label: one.method for one in (*study.all_series, *study.references)}


def _options(chapters: Sequence[Chapter]) -> list[tuple[str, str]]:
    """Return every method that has runs, with its name in print."""
    found = {one.method for chapter in chapters for one in chapter.evidence.study.all_series if one.runs}
    return [(method, style.look(method).label) for method in sorted(found, key=style.rank)]


def _facts(study: Study) -> list[tuple[str, str]]:
    origins = [
        (str(found["commit"])[:10] if found["commit"] else "unknown")
        + (" with uncommitted changes" if found["dirty"] else "")
        for found in commits(study.runs)
    ]
    devices = sorted({str(run["info"].get("provenance", {}).get("device", "unknown")) for run in study.runs})
    return [
        ("Runs drawn", f"{len(study.runs)}, {titles.seeds(study.runs)}"),
        ("Kit commit", ", ".join(origins)),
        ("Device", ", ".join(devices)),
    ]


def _exhibit(folder: str, about: str, exhibit: Exhibit, labels: dict[str, str], numbers: Numbers) -> dict[str, Any]:
    product = exhibit.product
    kind = "Figure" if exhibit.wide else "Table"
    beside = f"{quote(folder)}/" if folder else ""
    shown: dict[str, Any] = {
        "name": exhibit.artefact.name,
        "anchor": f"{folder or OVERALL}-{exhibit.artefact.name}",
        "number": f"{kind} {next(numbers[kind])}",
        "title": exhibit.artefact.title,
        "caption": product.caption,
        "about": about,
        "files": [(_kind(name), f"{beside}{quote(name)}") for name in exhibit.files],
        "origins": _origins(product),
        "grid": None if isinstance(product, Drawing) else product.grid,
        "methods": labels,
        "picture": None,
    }
    if isinstance(product, Drawing) and exhibit.wide and exhibit.narrow:
        shown["picture"] = {
            "alt": product.alt,
            "wide": _uri(exhibit.wide.svg),
            "narrow": _uri(exhibit.narrow.svg),
        }
    return shown


def _origins(product: Table | Drawing) -> list[tuple[str, str]]:
    """Return, for each thing that has numbers in a product, what it is called and the ids of the runs behind them."""
    behind: dict[str, list[str]] = {}
    for label, runs in zip(product.data["label"], product.data["runs"], strict=True):
        behind.setdefault(str(label), []).append(runs)
    return [(label, " ".join(map(str, run_ids(runs)))) for label, runs in behind.items() if any(runs)]


def _kind(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return KINDS[ending] + (", one column" if stem.endswith("-column") else "")


def _uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
