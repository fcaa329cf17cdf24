"""The page: every exhibit of every study, in one HTML file that needs nothing else."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from figures.artefacts.artefact import Drawing, Table
from figures.drawing import captions
from figures.drawing.tables import templates
from figures.evidence import titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import run_ids
from figures.evidence.study import LeftOut, Study
from figures.page.exhibits import Exhibit, commits

PAGE = "index.html"

OVERALL = "overall"
"""Anchor of what all studies give together."""

KINDS = {"pdf": "PDF", "png": "PNG", "tex": "LaTeX", "md": "Markdown", "csv": "CSV", "json": "sources (JSON)"}


@dataclass(frozen=True)
class Chapter:
    """The exhibits of a study, or of all together, and the titles of what no stored run gives any number for."""

    evidence: Evidence
    exhibits: Sequence[Exhibit]
    missing: Sequence[str]


def page(overall: Chapter, chapters: Sequence[Chapter], left_out: Sequence[LeftOut]) -> bytes:
    """Return the page as UTF-8 bytes: what all studies give together, then study by study."""
    tables, figures = count(1), count(1)
    shown = [_overall(overall, tables, figures), *(_chapter(chapter, tables, figures) for chapter in chapters)]
    template = templates(Path(__file__).parent, autoescape=True).get_template("index.html.jinja")
    return template.render(chapters=shown, left_out=[str(run) for run in left_out]).encode()


def _overall(chapter: Chapter, tables: Any, figures: Any) -> dict[str, Any]:
    return {
        "anchor": OVERALL,
        "title": "All studies together",
        "warnings": [],
        "facts": [],
        "exhibits": [
            _exhibit("", captions.about(chapter.evidence), exhibit, tables, figures) for exhibit in chapter.exhibits
        ],
        "missing": chapter.missing,
    }


def _chapter(chapter: Chapter, tables: Any, figures: Any) -> dict[str, Any]:
    study, about = chapter.evidence.study, captions.about(chapter.evidence)
    return {
        "anchor": study.folder,
        "title": titles.title(study),
        "warnings": captions.warnings(study, chapter.evidence.points),
        "facts": _facts(study),
        "exhibits": [_exhibit(study.folder, about, exhibit, tables, figures) for exhibit in chapter.exhibits],
        "missing": chapter.missing,
    }


def _facts(study: Study) -> list[tuple[str, str]]:
    images = study.data["images"]
    origins = [
        (str(found["commit"])[:10] if found["commit"] else "unknown")
        + (" with uncommitted changes" if found["dirty"] else "")
        for found in commits(study.runs)
    ]
    devices = sorted({str(run["info"].get("provenance", {}).get("device", "unknown")) for run in study.runs})
    return [
        ("Train / val / test images", " / ".join(f"{images[split]:,}" for split in ("train", "val", "test"))),
        ("Runs drawn", f"{len(study.runs)}, {titles.seeds(study.runs)}"),
        ("Kit commit", ", ".join(origins)),
        ("Device", ", ".join(devices)),
    ]


def _exhibit(folder: str, about: str, exhibit: Exhibit, tables: Any, figures: Any) -> dict[str, Any]:
    product = exhibit.product
    beside = f"{quote(folder)}/" if folder else ""
    shown: dict[str, Any] = {
        "anchor": f"{folder or OVERALL}-{exhibit.artefact.name}",
        "number": f"Figure {next(figures)}" if exhibit.wide else f"Table {next(tables)}",
        "title": exhibit.artefact.title,
        "caption": product.caption,
        "about": about,
        "files": [(_kind(name), f"{beside}{quote(name)}") for name in exhibit.files],
        "origins": _origins(product),
        "grid": None if isinstance(product, Drawing) else product.grid,
        "picture": None,
    }
    if isinstance(product, Drawing) and exhibit.wide and exhibit.narrow:
        shown["picture"] = {
            "alt": product.alt,
            "wide": _uri(exhibit.wide.svg),
            "wide_dark": _uri(exhibit.wide.svg_dark),
            "narrow": _uri(exhibit.narrow.svg),
            "narrow_dark": _uri(exhibit.narrow.svg_dark),
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
