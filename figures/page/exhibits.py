"""An artefact with everything that stands beside it: its files, caption and sidecar."""

import json
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from figures import style
from figures.artefacts.artefact import Artefact, Drawing, Product, Table
from figures.drawing import captions
from figures.drawing.rendering import Rendered, render
from figures.drawing.tables import latex, markdown
from figures.evidence.evidence import Evidence
from figures.evidence.scores import run_ids
from figures.evidence.series import Run
from figures.evidence.study import Study


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


@dataclass(frozen=True)
class Pending:
    """An artefact that is made, while its figure is being drawn.

    Args:
        artefact: which one.
        evidence: what it was made from.
        product: what it shows.
        wide, narrow: a figure across the page and in one column, to come; None for a table.
    """

    artefact: Artefact
    evidence: Evidence
    product: Table | Drawing
    wide: "Future[Rendered] | None"
    narrow: "Future[Rendered] | None"


def begin(artefact: Artefact, evidence: Evidence, renderers: Executor) -> Pending | None:
    """Make an artefact and begin to draw it; None where no stored run gives any number for it."""
    product = artefact.make(evidence)
    if product is None:
        return None
    if isinstance(product, Table):
        return Pending(artefact, evidence, product, None, None)
    drawn = [renderers.submit(render, product.draw, width) for width in (style.TWO_COLUMNS, style.ONE_COLUMN)]
    return Pending(artefact, evidence, product, *drawn)


def finish(pending: Pending) -> Exhibit:
    """Return an artefact with its files; waits for what is being drawn."""
    artefact, evidence, product = pending.artefact, pending.evidence, pending.product
    about = captions.about(evidence, _behind(product, evidence) if artefact.overall else None)
    name, caption = artefact.name, f"{artefact.title}. {product.caption} {about}".rstrip()
    files: dict[str, bytes] = {}
    wide, narrow = (None if drawn is None else drawn.result() for drawn in (pending.wide, pending.narrow))
    if wide and narrow:
        files |= {f"{name}.pdf": wide.pdf, f"{name}.png": wide.png}
        files |= {f"{name}-column.pdf": narrow.pdf, f"{name}-column.png": narrow.png}
    if isinstance(product, Table):
        label = name if artefact.overall else f"{evidence.study.folder}-{name}"
        files[f"{name}.tex"] = latex(product.grid, caption, label).encode()
        files[f"{name}.md"] = markdown(product.grid, caption).encode()
    # Without ids: the same numbers are the same file, whatever their runs are called in a database.
    numbers = product.data.drop(columns="runs")
    files[f"{name}.csv"] = numbers.to_csv(index=False, lineterminator="\n").encode()
    sidecar = _sidecar(name, product, (*evidence.studies, *evidence.trials), caption, [*files])
    files[f"{name}.json"] = (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode()
    return Exhibit(artefact, product, caption, files, wide, narrow)


def _behind(product: Product, evidence: Evidence) -> set[int]:
    """Return the ids of the runs behind an artefact's numbers, and of those whose encoders these evaluate."""
    ids = set(run_ids(product.data["runs"]))
    configs = [run["config"] for study in evidence.studies for run in study.runs if run["_id"] in ids]
    origins = {config["evaluate"].get("pretraining") for config in configs}
    return ids | {origin for origin in origins if origin is not None}


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


def _sidecar(
    name: str, product: Table | Drawing, studies: Sequence[Study], caption: str, files: list[str]
) -> dict[str, Any]:
    ids = run_ids(product.data["runs"])
    behind = set(ids)
    keys = [study.key for study in studies if not behind.isdisjoint(run["_id"] for run in study.runs)]
    return {
        "artefact": name,
        "caption": caption,
        **({"alt": product.alt} if isinstance(product, Drawing) else {}),
        "studies": keys,
        "runs": ids,
        "query": {
            "runs": {"info.study": {"$in": keys}, "status": "COMPLETED", "_id": {"$in": ids}},
            "metrics": {"run_id": {"$in": ids}, "name": {"$in": product.metrics}},
            "artifacts": list(product.artifacts),
            "kept": "of runs with the same info.series and seed the newest whole one",
        },
        "runs_of_each_row": product.data["runs"].to_list(),
        "commits": commits([run for study in studies for run in study.runs if run["_id"] in behind]),
        "left_out": [
            {"run": run.run, "problems": list(run.problems), "replaced_by": run.replaced_by}
            for study in studies
            for run in study.left_out
        ],
        "files": files,
    }
