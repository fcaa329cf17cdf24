"""An artefact of one study with everything that stands beside it: its files, caption and sidecar."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from figures import captions, style
from figures.products import Artefact, Drawing, Table
from figures.records import Study
from figures.rendering import Rendered, render
from figures.scores import run_ids
from figures.series import Run
from figures.tables import latex, markdown


@dataclass(frozen=True)
class Exhibit:
    """One artefact, made.

    Args:
        artefact: which one.
        product: what it shows.
        caption: the whole caption.
        files: name -> content, in the order of the downloads.
        wide, narrow: a figure across the page and in one column; None for a table.
    """

    artefact: Artefact
    product: Table | Drawing
    caption: str
    files: dict[str, bytes]
    wide: Rendered | None = None
    narrow: Rendered | None = None


def exhibit(artefact: Artefact, study: Study, points: pd.DataFrame) -> Exhibit | None:
    """Return an artefact of a study; None where no stored run gives any number for it."""
    product = artefact.make(study, points)
    if product is None:
        return None
    name, caption = artefact.name, f"{artefact.title}. {product.caption} {captions.about(study, points)}"
    files: dict[str, bytes] = {}
    wide = narrow = None
    if isinstance(product, Drawing):
        wide, narrow = (render(product.draw, width) for width in (style.TWO_COLUMNS, style.ONE_COLUMN))
        files |= {f"{name}.pdf": wide.pdf, f"{name}.png": wide.png}
        files |= {f"{name}-column.pdf": narrow.pdf, f"{name}-column.png": narrow.png}
    else:
        files[f"{name}.tex"] = latex(product.grid, caption, f"{study.folder}-{name}").encode()
        files[f"{name}.md"] = markdown(product.grid, caption).encode()
    # Without ids: the same numbers are the same file, whatever their runs are called in a database.
    numbers = product.data.drop(columns="runs")
    files[f"{name}.csv"] = numbers.to_csv(index=False, lineterminator="\n").encode()
    sidecar = _sidecar(name, product, study, caption, [*files])
    files[f"{name}.json"] = (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode()
    return Exhibit(artefact, product, caption, files, wide, narrow)


def commits(runs: list[Run]) -> list[dict[str, Any]]:
    """Return the kit's commits that runs were made with, and the ids of those runs."""
    found: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        origin = run["info"].get("provenance", {})
        found.setdefault((str(origin.get("commit")), str(origin.get("dirty"))), []).append(run["_id"])
    told: dict[str, bool | None] = {"True": True, "False": False}
    return [
        {"commit": None if commit == "None" else commit, "dirty": told.get(dirty), "runs": sorted(ids)}
        for (commit, dirty), ids in sorted(found.items())
    ]


def _sidecar(name: str, product: Table | Drawing, study: Study, caption: str, files: list[str]) -> dict[str, Any]:
    ids = run_ids(product.data)
    return {
        "artefact": name,
        "caption": caption,
        "study": study.key,
        "runs": ids,
        "query": {
            "runs": {"info.study": study.key, "status": "COMPLETED", "_id": {"$in": ids}},
            "metrics": {"run_id": {"$in": ids}, "name": {"$in": product.metrics}},
            "kept": "of runs with the same info.cell the newest whole one",
        },
        "runs_of_each_row": product.data["runs"].to_list(),
        "commits": commits([run for run in study.runs if run["_id"] in set(ids)]),
        "left_out": [
            {"run": run.run, "problems": list(run.problems), "replaced_by": run.replaced_by} for run in study.left_out
        ],
        "files": files,
    }
