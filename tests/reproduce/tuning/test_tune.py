"""Recipes are chosen on validation images alone, the same ones whatever interrupts the trials."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from sacred.arg_parser import get_config_updates

from figures.artefacts import tuning as table
from repro.configs import recipes as recipe_file
from repro.configs.grids import TUNINGS, Grid, Tuning
from repro.configs.plans import PLANS, Images
from repro.configs.recipes import EVERY
from repro.configs.resolve import flat, resolve
from repro.errors import InputError
from repro.reproduce.engines.local import run_missing
from repro.reproduce.study.cells import Cell
from repro.reproduce.tuning.trials import (
    STEPS,
    Score,
    Trial,
    base_trials,
    candidates,
    fewest_steps,
    partner_trials,
    scores,
)
from repro.reproduce.tuning.tune import report, tune, write
from repro.store import find_runs
from tests.figures.synthetic import all_evidence
from tests.test_front_doors import QUICK

RATES = (0.01, 0.3)


@pytest.fixture
def own_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recipes of the test's own, in a scale whose trials take seconds."""
    small = dict(flat(get_config_updates(QUICK)[0])) | {"pretrain.epochs": 1, "evaluate.test": False}
    how = Tuning(
        doc="small",
        datasets=(Images("phantom"), Images("phantom_xray")),
        seeds=(11,),
        settings={**small, "evaluate.protocols": ["linear"]},
        grids={
            "byol": Grid({"pretrain.lr": RATES}),
            "byol_random": Grid({"selector.weight": (0.5,)}, base="byol"),
            "byol_tracin_refined": Grid(
                base="byol_random", each=({}, {"selector.name": "tracin", "selector.mutual": True}), seeds=(11, 12)
            ),
        },
        steps=(2, 4),
        finetune={**small, "evaluate.protocols": ["finetune"]},
    )
    monkeypatch.setitem(TUNINGS, "smoke", how)
    file = tmp_path / "recipes.json"
    file.write_text("{}")
    monkeypatch.setattr(recipe_file, "FILE", file)
    monkeypatch.setattr("repro.reproduce.tuning.tune.FILE", file)
    recipe_file.chosen.cache_clear()
    yield file
    recipe_file.chosen.cache_clear()


class StoppedError(Exception):
    pass


def test_a_choice_follows_from_stored_validation_scores_and_is_the_same_after_an_interruption(
    database: Database, own_recipes: Path
):
    begun = []

    def until_stopped(cells: Sequence[Cell]) -> list:
        begun.extend(cells)
        run_missing(database, cells[:3])
        raise StoppedError

    with pytest.raises(StoppedError):
        tune(database, "smoke", (), until_stopped)
    assert len(find_runs(database)) == 3

    chosen, found, failures = tune(database, "smoke", (), lambda cells: run_missing(database, cells))
    assert failures == []
    runs = find_runs(database)
    cells = [cell.key for trial in base_trials("smoke") for cell in trial.cells]
    assert [run["info"]["cell"] for run in runs[: len(cells)]] == cells  # none of the three ran twice
    for run in runs:
        names = [metric["name"] for metric in run["info"]["metrics"]]
        assert not [name for name in names if name.startswith("test/")]
        assert "test_scores.npz" not in [artifact["name"] for artifact in run["artifacts"]]

    means = {}
    for rate in RATES:
        of = [run for run in runs if run["command"] == "train" and run["config"]["method"]["name"] == "byol"]
        own = [run["_id"] for run in of if run["config"]["pretrain"]["lr"] == rate]
        points = [database.metrics.find_one({"run_id": i, "name": "val/linear/macro_auc"})["values"] for i in own]
        assert len(points) == 2
        means[rate] = float(np.mean(points))
    winner = max(RATES, key=means.__getitem__)
    assert chosen["byol"]["settings"] == {"pretrain.lr": winner}
    assert chosen["byol"]["score"] == pytest.approx(means[winner], abs=1e-6)
    assert chosen["byol_random"]["settings"] == {"pretrain.lr": winner, "selector.weight": 0.5}
    assert set(chosen["byol"]["runs"]) <= {run["_id"] for run in runs}
    # Those whose base has a base itself come last, take its recipe, and have seeds of their own.
    refined = [run["config"] for run in runs if run["config"]["method"]["name"] == "byol_tracin_refined"]
    assert len(refined) == 2 * 2 * 2  # candidates, data sets, seeds
    assert {config["seed"] for config in refined} == {11, 12}
    assert {(c["pretrain"]["lr"], c["selector"]["weight"]) for c in refined} == {(winner, 0.5)}
    assert {c["selector"]["mutual"] for c in refined} == {False, True}
    only, *_ = tune(database, "smoke", ("byol_tracin_refined",), lambda cells: run_missing(database, cells))
    assert only == {}  # its base has no recipe yet
    only, *_ = tune(database, "smoke", ("random_init",), lambda cells: run_missing(database, cells))
    assert only == {EVERY: chosen[EVERY]}

    again, *_ = tune(database, "smoke", (), lambda cells: run_missing(database, cells))
    assert again == chosen
    assert len(find_runs(database)) == len(runs)

    write("smoke", chosen)
    recipe_file.chosen.cache_clear()
    assert resolve(["byol_random", "phantom", "smoke"])["selector"]["weight"] == 0.5
    assert resolve(["byol", "phantom", "smoke"])["pretrain"]["lr"] == winner
    assert resolve(["byol", "phantom", "smoke"], {"pretrain.lr": 0.7})["pretrain"]["lr"] == 0.7
    assert resolve(["simclr", "phantom", "smoke"])["evaluate"]["finetune"]["steps"] == chosen[EVERY]["settings"][STEPS]

    # The table, made from the stored runs alone, marks what was chosen.
    drawn = table.make(all_evidence(database))
    starred = drawn.data[drawn.data["chosen"] & (drawn.data["method"] == "byol")]
    assert set(starred["label"]) == {f"pretrain.lr={winner}"}
    assert sum(line.startswith("* byol ") for line in report(found, chosen).splitlines()) == 1


def test_trials_and_the_study_share_no_seed():
    for scale, how in TUNINGS.items():
        plan = PLANS[scale]
        tried = {seed for grid in how.grids.values() for seed in (*how.seeds, *grid.seeds)}
        seeds = [plan.seeds, *plan.more_seeds.values(), *(each.seeds for each in (*plan.datasets, *plan.ablations))]
        assert tried.isdisjoint(itertools.chain(*seeds))


def test_every_base_method_gets_as_many_candidates_and_those_with_partners_too():
    for how in TUNINGS.values():
        assert len({len(candidates(grid)) for grid in how.grids.values() if not grid.each}) == 1


def test_variants_of_tracin_are_tried_beside_byol_and_tracin_as_they_are():
    for how in TUNINGS.values():
        for grid in how.grids.values():
            if grid.each:
                assert grid.base == "byol_tracin"
                assert {"selector.name": "none"} in grid.each
                assert {} in grid.each
                assert len(grid.seeds) >= 3


def test_candidates_take_the_recipe_of_their_base_first(own_recipes: Path):
    (trial,) = partner_trials("smoke", {"byol": {"pretrain.lr": 0.25}})
    assert {cell.config["pretrain"]["lr"] for cell in trial.cells} == {0.25}
    assert partner_trials("smoke", {}) == []


def test_a_method_without_declared_candidates_is_refused(own_recipes: Path):
    with pytest.raises(
        InputError,
        match=r"no candidates are declared for 'simclr'\. Declared for: random_init, byol, byol_random",
    ):
        base_trials("smoke", ["simclr"])
    with pytest.raises(InputError, match="no recipes are tried for it"):
        base_trials("paper")


def score(steps: int, *values: float) -> Score:
    return Score(Trial(EVERY, {STEPS: steps}, ()), (), dict(zip((1.0, 100.0), values, strict=True)))


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ([(0.7, 0.7), (0.7, 0.8), (0.71, 0.9)], [400, 400]),
        ([(0.7, 0.7), (0.702, 0.8), (0.704, 0.803)], [100, 200]),
        ([(0.7, 0.9), (0.69, 0.8), (0.68, 0.7)], [100, 100]),
    ],
)
def test_the_fewest_steps_are_those_after_which_more_are_no_better(values: list[Any], chosen: list[int]):
    tried = [score(steps, *each) for steps, each in zip((100, 200, 400), values, strict=True)]
    assert fewest_steps(tried) == chosen


def test_recipes_that_the_kit_comes_with_are_candidates_that_were_declared():
    for scale, methods in json.loads((Path(recipe_file.__file__).parent / "recipes.json").read_text()).items():
        own_recipes = {method: recipe for method, recipe in methods.items() if "like" not in recipe}
        assert {recipe["like"] for recipe in methods.values() if "like" in recipe} <= own_recipes.keys()
        for method, recipe in own_recipes.items():
            assert recipe["runs"], method
            if method != EVERY:
                own = [set(candidate.items()) for candidate in candidates(TUNINGS[scale].grids[method])]
                assert any(candidate <= set(recipe["settings"].items()) for candidate in own), method


def test_a_trial_is_scored_once_all_its_runs_are_there(database: Database, own_recipes: Path):
    trials = base_trials("smoke", ["byol"])
    run_missing(database, trials[0].cells[:1])
    assert list(scores(database, trials)) == []
