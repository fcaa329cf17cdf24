"""README and docs tell what the code holds."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient

from repro.bench import selector
from repro.bench.comparison import table
from repro.configs import METHODS
from repro.configs.resolve import check_name, flat, resolve
from repro.configs.show import lines, markdown
from repro.store import find_runs, metric_points
from tests.conftest import ROOT

PAGES = {file: file.read_text() for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
README, ALL = PAGES[ROOT / "README.md"], "\n".join(PAGES.values())


def test_the_readme_can_be_read_in_five_minutes_and_links_every_page_of_the_docs():
    assert len(README.splitlines()) <= 160
    for page in PAGES:
        assert page.name in README


def test_the_table_of_settings_is_the_one_the_code_has():
    (block,) = re.findall(r"<!-- settings:.*?-->\n(.*?)<!-- end of settings -->", ALL, re.DOTALL)
    assert block == markdown(), (
        "paste the output of: python -c 'from repro.configs.show import markdown; print(markdown(), end=str())'"
    )


def test_the_table_of_ratios_is_one_that_the_benchmarks_print():
    (block,) = re.findall(r"<!-- bench:.*?-->\n(.*?)<!-- end of bench -->", ALL, re.DOTALL)
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()]
    assert head == [cell.strip() for cell in table([]).splitlines()[0].strip("|").split("|")]
    assert {row[0] for row in rows} >= {f"step, {name}, {size} px" for name in selector.ASKED for size in (28, 64)}
    for *_, ratio, asked in rows:
        found, bound, goal = float(ratio.split()[0]), *re.findall(r"at (least|most) ([\d.]+)", asked)[0]
        reached = found >= float(goal) if bound == "least" else found <= float(goal)
        assert reached != asked.endswith("NOT REACHED"), (ratio, asked)
    asked_of = {row[0]: row[-1] for row in rows}
    for name, goal in selector.ASKED.items():
        assert asked_of[f"step, {name}, 28 px"].startswith(f"at most {goal:g}")


def test_every_run_command_resolves():
    pages = "\n".join(text for page, text in PAGES.items() if page.name != "extend.md")  # that one's are executed
    commands = re.findall(r"python -m repro\.run(?: print_config)? with ([a-z_0-9=./ ]+)", pages)
    words = [shlex.split(c) for c in commands if "..." not in c]
    assert len(words) >= 2
    for line in words:
        updates = dict(word.split("=") for word in line if "=" in word)
        resolve([word for word in line if "=" not in word], {k: _value(v) for k, v in updates.items()})


def _value(text: str) -> float | str:
    with contextlib.suppress(ValueError):
        return float(text) if "." in text else int(text)
    return text


def test_the_selector_that_is_shown_is_one_file_that_trains(tmp_path: Path, server: str):
    page = PAGES[ROOT / "docs" / "extend.md"]
    page = page[page.index("# Add a selector of your own") :]
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (name,) = re.findall(r"smoke selector\.name=(\w+)", page)
    assert f"`{name}.py`" in page
    assert len(code.splitlines()) <= 20
    for part in ("repro", "figures", "uv.lock"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    (tmp_path / "repro" / "pretrain" / "selectors" / f"{name}.py").write_text(code)
    settings = ["data.limit=64", "encoder.width=4", "pretrain.epochs=1", "pretrain.batch_size=32"]
    line = ["byol", "phantom", "smoke", f"selector.name={name}", f"method.name=byol_{name}", *settings]
    environment = {**os.environ, "REPRO_MONGO_URI": f"{server}test_selector", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "repro.run", "pretrain", "with", *line], cwd=tmp_path, env=environment, check=True
    )
    with MongoClient(f"{server}test_selector") as client:
        (run,) = find_runs(client["test_selector"])
        names = set(metric_points(client["test_selector"], [run["_id"]])["name"])
        client.drop_database("test_selector")
    assert run["status"] == "COMPLETED"
    assert f"partners/{name}/same_label" in names


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ((?:repro|figures)[a-z._]*)", ALL))))
def test_every_module_exists(module: str):
    place = ROOT / module.replace(".", "/")
    assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_or_linked_exists(page: Path):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings], link
    for name in re.findall(r"^(repro/[a-z/.]+)", PAGES[page], re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_every_method_in_the_table_is_a_named_config_and_every_named_config_is_in_it():
    page = PAGES[ROOT / "docs" / "methods.md"]
    rows = re.findall(r"^\| (.*?) \|", page[: page.index("## Pairwise TracIn")], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    for name in told:
        check_name(name)
    assert set(METHODS) <= told, f"add a row to docs/methods.md: {sorted(set(METHODS) - told)}"


def test_every_method_of_the_plan_is_a_named_config():
    for name in re.findall(r"`(byol_[a-z]+)`", ALL):
        check_name(name)


def test_print_config_shows_every_setting_with_a_star_where_it_was_changed():
    config = resolve(["smoke"], {"pretrain.lr": 0.5})
    shown = list(lines(config))
    assert len(shown) == len(dict(flat(config)))
    (lr,) = [line for line in shown if " pretrain.lr = " in line]
    assert lr.startswith("* pretrain.lr = 0.5")
    assert "[set]" in lr
    (tau,) = [line for line in shown if " pretrain.tau = " in line]
    assert tau.startswith("  pretrain.tau = 0.99")
