"""The page: every exhibit of every study, in one HTML file that needs nothing else."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote

import pandas as pd

from figures import captions
from figures.exhibits import Exhibit, commits
from figures.products import Drawing
from figures.records import LeftOut, Study
from figures.tables import templates

PAGE = "index.html"

KINDS = {"pdf": "PDF", "png": "PNG", "tex": "LaTeX", "md": "Markdown", "csv": "CSV", "json": "sources (JSON)"}


@dataclass(frozen=True)
class Chapter:
    """A study, its metric points and exhibits, and the titles of what no stored run gives any number for."""

    study: Study
    points: pd.DataFrame
    exhibits: Sequence[Exhibit]
    missing: Sequence[str]


def page(chapters: Sequence[Chapter], left_out: Sequence[LeftOut]) -> bytes:
    """Return the page as UTF-8 bytes."""
    tables, figures = count(1), count(1)
    shown = [_chapter(chapter, tables, figures) for chapter in chapters]
    template = templates(autoescape=True).get_template("index.html.jinja")
    return template.render(chapters=shown, left_out=[str(run) for run in left_out]).encode()


def _chapter(chapter: Chapter, tables: Any, figures: Any) -> dict[str, Any]:
    study, about = chapter.study, captions.about(chapter.study, chapter.points)
    return {
        "anchor": study.folder,
        "title": captions.title(study),
        "warnings": captions.warnings(study, chapter.points),
        "facts": _facts(study),
        "exhibits": [
            _exhibit(study, about, exhibit, f"Figure {next(figures)}" if exhibit.wide else f"Table {next(tables)}")
            for exhibit in chapter.exhibits
        ],
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
        ("Runs drawn", f"{len(study.runs)}, {captions.seeds(study.runs)}"),
        ("Kit commit", ", ".join(origins)),
        ("Device", ", ".join(devices)),
    ]


def _exhibit(study: Study, about: str, exhibit: Exhibit, number: str) -> dict[str, Any]:
    product = exhibit.product
    shown: dict[str, Any] = {
        "anchor": f"{study.folder}-{exhibit.artefact.name}",
        "number": number,
        "title": exhibit.artefact.title,
        "caption": product.caption,
        "about": about,
        "files": [(_kind(name), f"{quote(study.folder)}/{quote(name)}") for name in exhibit.files],
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


def _kind(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return KINDS[ending] + (", one column" if stem.endswith("-column") else "")


def _uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
