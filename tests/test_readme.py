"""The README tells what the code holds."""

import re
import shlex

import pytest

from repro.configs.resolve import check_name, flat, resolve
from repro.configs.show import lines, markdown
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_its_table_of_settings_is_the_one_the_code_has():
    (block,) = re.findall(r"<!-- settings:.*?-->\n(.*?)<!-- end of settings -->", README, re.DOTALL)
    assert block == markdown(), (
        "paste the output of: python -c 'from repro.configs.show import markdown; print(markdown(), end=str())'"
    )


def test_every_run_command_in_it_resolves():
    commands = re.findall(r"python -m repro\.run(?: print_config)? with ([a-z_0-9= .]+)", README)
    words = [shlex.split(c) for c in commands if "..." not in c]
    assert len(words) >= 2
    for line in words:
        updates = dict(word.split("=") for word in line if "=" in word)
        resolve([word for word in line if "=" not in word], {k: int(v) for k, v in updates.items()})


@pytest.mark.parametrize("module", re.findall(r"python -m ((?:repro|figures)[a-z.]*)", README))
def test_every_module_in_it_exists(module: str):
    place = ROOT / module.replace(".", "/")
    assert place.with_suffix(".py").exists() or (place / "__main__.py").exists()


def test_every_file_it_names_exists():
    for name in re.findall(r"\]\((?!https?:)([^)]+)\)", README) + re.findall(
        r"^(repro/[a-z/.]+)", README, re.MULTILINE
    ):
        assert (ROOT / name).exists(), name


def test_every_method_of_the_plan_is_a_named_config():
    for name in re.findall(r"`(byol_[a-z]+)`", README):
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
