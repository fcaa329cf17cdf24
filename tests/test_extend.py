"""docs/extend.md: what it shows runs as it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pymongo import MongoClient
from torch.nn import functional as F

from figures import style
from repro.store import find_runs, metric_points
from tests.conftest import ROOT

PAGE, _, SELECTOR_PAGE = (ROOT / "docs" / "extend.md").read_text().partition("# Add a selector of your own")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUICK = ["data.limit=64", "encoder.width=4", "pretrain.epochs=1", "pretrain.batch_size=32"]


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A copy of the kit with the page's file in it, and its named config."""
    for part in ("repro", "figures", "uv.lock"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    (place,) = re.findall(r"Save it as `(repro/[a-z/]+\.py)`", PAGE)
    (tmp_path / place).write_text(CODE)
    return tmp_path


def test_the_rival_that_it_shows_is_one_file_that_trains(kit: Path, server: str):
    ((line),) = re.findall(r"python -m repro\.run with (.*)", PAGE)
    environment = {**os.environ, "REPRO_MONGO_URI": f"{server}test_extend", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "repro.run", "pretrain", "with", *line.split(), *QUICK]
    subprocess.run(command, cwd=kit, env=environment, check=True)
    with MongoClient(f"{server}test_extend") as client:
        (run,) = find_runs(client["test_extend"])
        points = metric_points(client["test_extend"], [run["_id"]])
        client.drop_database("test_extend")
    assert run["status"] == "COMPLETED"
    assert run["config"]["method"]["name"] == "align"
    assert {"pretrain/loss", "pretrain/feature_std", "pretrain/collapsed"} <= set(points["name"])


@pytest.mark.parametrize(("page", "name"), [(PAGE, "align"), (SELECTOR_PAGE, "byol_predicted")])
def test_the_one_registration_makes_it_a_method_of_a_plan_that_methods_accepts(kit: Path, page: str, name: str):
    (named,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    methods = kit / "repro" / "configs" / "methods.py"
    text = methods.read_text()
    methods.write_text(text.rstrip().removesuffix("}") + named + "}\n")
    ask = f"from repro.reproduce.study.cells import cells; print([c.pretrains for c in cells('smoke', ['{name}'])])"
    said = subprocess.run([sys.executable, "-c", ask], cwd=kit, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[True, True]"


def test_a_method_of_your_own_has_a_name_in_print_and_is_known_as_your_own():
    assert style.look("byol_predicted").label == "BYOL + predicted"
    assert style.look("align").label == "align"
    assert style.own(["byol", "byol_predicted", "byol_predicted", "align"]) == ("align", "byol_predicted")


def test_the_loss_that_it_shows_equals_a_loop_over_pairs():
    found: dict[str, object] = {}
    exec(compile(CODE, "extend.md", "exec"), found)
    z = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = F.normalize(z, dim=2)
    align = sum(float((x[i] - y[i]).square().sum()) for i in range(6)) / 6
    spread = [
        np.log(np.mean([float((-2 * (v[i] - v[j]).square().sum()).exp()) for i in range(6) for j in range(i)]))
        for v in (x, y)
    ]
    assert float(found["loss"](*z)) == pytest.approx(align + float(sum(spread)) / 2, rel=1e-9)  # type: ignore[operator]


def test_every_file_that_it_names_exists():
    for name in set(re.findall(r"`((?:repro|figures|tests)/[a-z_/]+\.py)`", PAGE)) - {
        "repro/pretrain/objectives/align.py"
    }:
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`([a-z_]+\.py)`", PAGE):
        assert (ROOT / "repro" / "pretrain" / "objectives" / name).exists(), name
