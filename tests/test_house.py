"""The house: imports point down, and the rooms that must not know something do not."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLOORS = [
    "repro.bench",
    "figures.readme",
    "figures.__main__",
    "figures.page",
    "figures.artefacts",
    "figures.claims",
    "figures.drawing",
    "figures.statistics",
    "figures.evidence",
    "figures.style",
    "repro.run",
    "repro.reproduce",
    "repro.reproduce.tuning",
    "repro.reproduce.verification",
    "repro.reproduce.engines",
    "repro.reproduce.study",
    "repro.db",
    "repro.doctor",
    "repro.records",
    "repro.execution.experiment",
    "repro.execution.procedure",
    "repro.execution.lineage",
    "repro.execution.recorder",
    "repro.execution.resources",
    "repro.execution.output_capture",
    "repro.evaluate",
    "repro.pretrain",
    "repro.data",
    "repro.store",
]
"""From the top down. A module may import what stands below its own floor, and its own."""

ANYONES = (
    "repro", "repro.configs", "repro.errors", "repro.files", "repro.installed", "repro.locks", "repro.machine",
    "repro.progress", "repro.provenance", "repro.ranks", "repro.threads", "repro.weights",
)  # fmt: skip
"""What every floor may import; these import no floor."""

PACKAGES = ("figures", "repro.execution")
"""Packages whose rooms have floors, but which hold nothing themselves."""


def imports_of(file: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def floor_of(module: str) -> str | None:
    """The innermost floor that a module is on; None for what is on none."""
    return max((floor for floor in FLOORS if module == floor or module.startswith(floor + ".")), key=len, default=None)


FILES = [file for room in ("repro", "figures") for file in sorted((ROOT / room).rglob("*.py"))]


@pytest.mark.parametrize("file", FILES, ids=lambda f: module_of(f))
def test_imports_point_down(file: Path):
    own = floor_of(module_of(file))
    for name in imports_of(file):
        other = floor_of(name)
        if own and other and own != other:
            assert FLOORS.index(other) > FLOORS.index(own), f"{module_of(file)} imports {name}"


def test_every_module_has_a_floor_or_is_for_all_and_then_imports_none_above_the_store():
    for file in FILES:
        module = module_of(file)
        if floor_of(module) is None and module not in PACKAGES:
            assert module in ANYONES or module.startswith("repro.configs."), module
            # `from repro import runs` is the one name that the package gives away.
            floors = {floor_of(name) for name in imports_of(file) if not name.startswith("repro.records")}
            assert floors <= {None, "repro.store"}, (module, floors)


def test_figures_read_the_store_and_ask_the_doctor_and_nothing_else_of_the_kit():
    for file in FILES:
        if module_of(file).startswith("figures"):
            ours = {n for n in imports_of(file) if n.split(".")[0] == "repro"}
            assert all(n.startswith(("repro.store", "repro.doctor", "repro.errors")) for n in ours), (file, ours)


def test_learning_and_judging_know_neither_sacred_nor_mongodb():
    for file in FILES:
        if module_of(file).startswith(("repro.pretrain", "repro.evaluate", "repro.data")):
            tops = {n.split(".")[0] for n in imports_of(file)}
            assert not tops & {"sacred", "pymongo", "gridfs", "bson"}, file


def test_configs_are_data_without_logic():
    for file in sorted((ROOT / "repro" / "configs").glob("*.py")):
        if file.stem in ("resolve", "identity", "show", "setting", "recipes"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            assert not isinstance(node, ast.If | ast.For | ast.While | ast.FunctionDef | ast.IfExp), file


def test_nothing_unpickles():
    for file in FILES:
        text = file.read_text()
        assert "import pickle" not in text, file
        assert all("weights_only=True" in call for call in re.findall(r"torch\.load\([^)]*\)", text)), file
        assert "allow_pickle=True" not in text, file
