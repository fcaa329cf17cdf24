"""The notebook of the docs runs from its first cell to its last, on a run database as a reader has it."""

import json
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from repro import run
from tests.conftest import ROOT
from tests.figures import synthetic
from tests.test_front_doors import QUICK, at

NOTEBOOK = json.loads((ROOT / "docs" / "explore.ipynb").read_text())


def executed() -> dict[str, Any]:
    """Execute the notebook's code cells in order, and return their names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return names


@pytest.mark.slow
def test_every_cell_runs_and_tells_what_is_stored(database: Database, capsys: pytest.CaptureFixture):
    synthetic.add_study(database, ("byol", "byol_tracin"), seeds=3)
    assert at(run.main, "pretrain", "with", "byol_tracin", "phantom", "smoke", *QUICK) == 0
    names = executed()
    assert len(names["frame"]) == 7
    assert names["run"] == 7
    assert f"with {names['encoder'].features} features" in capsys.readouterr().out
    images = names["images"]
    assert names["features"].shape == (len(images), names["encoder"].features)
    assert not np.any(names["nearest"].numpy() == np.arange(len(images)))
    # Differences by a slow loop over seeds.
    frame, column = names["two"], names["scores"].columns[0]
    for (_, _, seed), row in names["differences"].iterrows():
        value = {}
        for method in ("byol", "byol_tracin"):
            (value[method],) = frame[(frame["method"] == method) & (frame["seed"] == seed)][column].dropna()
        assert row[column] == pytest.approx(100 * (value["byol_tracin"] - value["byol"]))


def test_the_notebook_holds_no_output_of_anybody():
    assert all(not cell.get("outputs") for cell in NOTEBOOK["cells"])
