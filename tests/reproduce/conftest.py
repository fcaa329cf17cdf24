"""A study that takes seconds."""

import pytest
from sacred.arg_parser import get_config_updates

from repro.configs.plans import PLANS, Images, Plan
from repro.configs.resolve import flat
from repro.reproduce.study.cells import Cell, cells
from tests.test_front_doors import QUICK


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """Random weights and BYOL on one phantom, and BYOL's encoder taken to the other."""
    phantom = Images("phantom", transfer=(Images("phantom_xray"),))
    plan = Plan("", datasets=(phantom,), methods=("random_init", "byol"), seeds=(0,))
    monkeypatch.setitem(PLANS, "smoke", plan)
    return cells("smoke", updates=dict(flat(get_config_updates(QUICK)[0])))
