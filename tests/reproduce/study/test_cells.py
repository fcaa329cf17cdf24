"""The cells of a study: each once, in an order in which they can run, and the same in every database."""

import itertools
from collections import Counter

import pytest

from repro.configs import METHODS, WITHOUT_PRETRAINING
from repro.configs.grids import TUNINGS
from repro.configs.identity import identity
from repro.configs.plans import PLANS, Images, Plan
from repro.configs.recipes import chosen
from repro.configs.resolve import flat, resolve
from repro.errors import InputError
from repro.pretrain.objectives import OBJECTIVES
from repro.reproduce.study.cells import Cell, cells


def test_what_the_plan_takes_for_pretraining_is_what_the_kit_can_pretrain():
    used = {resolve([name])["method"]["objective"] for name in METHODS}
    assert used - set(WITHOUT_PRETRAINING) == set(OBJECTIVES)
    assert not set(WITHOUT_PRETRAINING) & set(OBJECTIVES)


@pytest.mark.parametrize("scale", PLANS)
def test_every_cell_is_there_once_and_after_the_one_it_needs(scale: str):
    study = cells(scale)
    seen: set[str] = set()
    for cell in study:
        assert cell.key not in seen
        assert cell.origin is None or cell.origin.key in seen
        seen.add(cell.key)


@pytest.mark.parametrize("scale", ["medmnist", "paper"])
def test_the_real_studies_have_five_seeds_of_every_method_and_three_of_every_variant(scale: str):
    study = cells(scale)
    seeds = Counter(cell.identity["series"] for cell in study)
    assert min(seeds.values()) >= 3
    for images in PLANS[scale].datasets:
        for method in images.methods or PLANS[scale].methods:
            main = Cell((method, images.named, scale), {**images.updates, "seed": 0}, "train")
            more = 0 if images.seeds else len(PLANS[scale].more_seeds.get(method, ()))
            assert seeds[main.identity["series"]] == (len(images.seeds) or 5) + more


MAIN = ["byol", "byol_random", "byol_cosine", "byol_tracin", "byol_oracle"]


def test_the_main_methods_have_ten_seeds_and_the_last_five_come_after_all_else():
    study = cells("medmnist")
    assert [*PLANS["medmnist"].more_seeds] == MAIN
    late = [cell.updates["seed"] >= 5 for cell in study]
    assert late == sorted(late)
    pairs = Counter(
        (cell.task, *cell.named[:2], cell.updates.get("data.split"), cell.origin and cell.origin.named[1])
        for cell in study
        if cell.updates["seed"] >= 5
    )
    assert set(pairs.values()) == {5}
    images = [("dermamnist", "lesion"), ("pneumoniamnist", None)]
    carried = [
        ("pneumoniamnist", None, "dermamnist"),
        ("breastmnist", None, "dermamnist"),
        ("dermamnist", "lesion", "pneumoniamnist"),
        ("breastmnist", None, "pneumoniamnist"),
    ]
    assert pairs.keys() == {
        *(("train", method, *each, None) for method in MAIN for each in images),
        *(("evaluate", method, *each) for method in MAIN for each in carried),
    }
    as_published = [c for c in study if c.named[1] == "dermamnist" and "data.split" not in c.updates]
    assert Counter(c.named[0] for c in as_published) == dict.fromkeys(MAIN, 3)


def test_an_oracle_errs_at_five_rates_and_two_weights_on_both_data_sets_beside_the_selectors_at_these_weights():
    found: dict[tuple[object, ...], set[int]] = {}
    epochs = resolve(["byol", "dermamnist", "medmnist"])["pretrain"]["epochs"]
    for cell in cells("medmnist"):
        as_published = cell.named[1] == "dermamnist" and cell.config["data"]["split"] == "official"
        if cell.task == "train" and cell.config["pretrain"]["epochs"] == epochs and not as_published:
            selector = cell.config["selector"]
            point = cell.named[0], cell.named[1], selector["error"], selector["weight"]
            found.setdefault(point, set()).add(cell.updates["seed"])
    for images, weight in itertools.product(("dermamnist", "pneumoniamnist"), (0.5, 1.0)):
        for error in (0.0, 0.25, 0.5, 0.75, 1.0):
            assert found["byol_oracle", images, error, weight] >= {0, 1, 2}
        for method in ("byol_random", "byol_cosine", "byol_tracin"):
            assert found[method, images, 0.0, weight] >= {0, 1, 2}


def test_at_the_weight_of_tracins_recipe_oracle_and_selectors_are_those_of_the_main_comparison():
    recipe = chosen()["medmnist"]["byol_tracin"]["settings"]
    own = {"selector.warmup_epochs", "selector.weight"}
    more = [
        (cell.named[0], cell.config["selector"]["error"])
        for cell in cells("medmnist")
        if own <= cell.updates.keys() and cell.updates["selector.weight"] == recipe["selector.weight"]
    ]
    assert set(more) == {("byol_oracle", error) for error in (0.25, 0.5, 0.75, 1.0)}  # what the plan adds to it


def test_an_ablation_changes_one_setting_and_its_own_value_is_the_main_cell():
    study = [cell for cell in cells("medmnist") if cell.updates["seed"] == 0 and cell.task == "train"]
    first: dict[tuple[str, str, str], Cell] = {}  # method, data set, split
    for cell in study:
        first.setdefault((*cell.named[:2], cell.config["data"]["split"]), cell)
    tuned = {key for grid in TUNINGS["medmnist"].grids.values() for key in grid.axes}
    changed: dict[str, None] = {}  # in order, each once
    for ablation in PLANS["medmnist"].ablations:
        images = ablation.images or PLANS["medmnist"].datasets[0]
        for (key, values), method in itertools.product(ablation.axes.items(), ablation.methods):
            main = first[method, images.named, images.updates.get("data.split", "official")]
            own, same = dict(flat(main.config)), 0
            for value in values:
                updates = {**images.updates, "seed": 0, **ablation.settings, key: value}
                variant = Cell((method, images.named, "medmnist"), updates, "train")
                differing = {name for name, each in flat(variant.config) if each != own[name]}
                assert differing <= {key, *ablation.settings}
                same += not differing
                if differing:
                    changed[variant.key] = None
            if key not in tuned and not ablation.settings:
                assert same == 1, "the main cell is a point of every axis"
    variants = [cell.key for cell in study if cell not in first.values()]
    assert variants == [*changed]


def test_a_transfer_is_named_by_the_pretraining_and_not_by_its_number_in_some_database():
    transfer = next(cell for cell in cells("medmnist") if cell.origin is not None)
    assert transfer.origin is not None
    asked = {**transfer.updates, "evaluate.pretraining": 7}
    origins = {"evaluate.pretraining": {"cell": transfer.origin.key, "series": "s"}}
    assert identity(resolve(transfer.named, asked), "evaluate", origins)["cell"] == transfer.key
    asked["evaluate.pretraining"] = 8
    assert identity(resolve(transfer.named, asked), "evaluate", origins)["cell"] == transfer.key
    origins["evaluate.pretraining"]["cell"] = "train-another"
    assert identity(resolve(transfer.named, asked), "evaluate", origins)["cell"] != transfer.key


def test_methods_and_seeds_of_ones_own_narrow_the_plan():
    study = cells("medmnist", methods=["byol"], seeds=[3])
    assert {cell.named[0] for cell in study} == {"byol"}
    assert {cell.updates["seed"] for cell in study} == {3}
    assert len(study) == 3 + 4 + 5  # data sets, transfers from two of them, variants on the first
    with pytest.raises(InputError, match="Did you mean 'byol'"):
        cells("smoke", methods=["bylo"])
    with pytest.raises(InputError, match="--seeds"):
        cells("smoke", updates={"seed": 3})


def test_a_stand_in_is_marked_and_has_no_split_of_the_real_set():
    study = cells("medmnist", methods=["byol"], seeds=[0], stand_ins={"dermamnist": "phantom"})
    stand_in = study[0]
    assert stand_in.config["data"]["stands_in_for"] == "dermamnist"
    assert stand_in.config["data"]["split"] == "official"


def test_the_gauntlet_has_every_encoder_on_every_data_set_and_one_of_ones_own_takes_their_place():
    plan, study = PLANS["gauntlet"], cells("gauntlet")
    assert len(plan.encoders) >= 5
    assert len(plan.datasets) >= 3
    assert len(study) == len(plan.encoders) * len(plan.datasets) * len(plan.methods) * len(plan.seeds)
    archs = {(cell.named[1], cell.config["encoder"]["arch"]) for cell in study}
    assert len(archs) == len(plan.encoders) * len(plan.datasets)
    own = cells("gauntlet", updates={"encoder.arch": "resnet34", "encoder.width": 8})
    assert len(own) == len(plan.datasets) * len(plan.methods)
    assert {(c.config["encoder"]["arch"], c.config["encoder"]["patch"]) for c in own} == {("resnet34", None)}


def test_a_transfer_of_a_plan_with_encoders_takes_the_encoder_along(monkeypatch: pytest.MonkeyPatch):
    images = Images("phantom", transfer=(Images("phantom_xray"),))
    encoders = ({}, {"encoder.width": 8})
    monkeypatch.setitem(PLANS, "smoke", Plan("", (images,), ("byol",), (0,), encoders=encoders))
    study = cells("smoke")
    assert len(study) == 4
    for cell in study:
        if cell.origin is not None:
            assert cell.config["encoder"] == cell.origin.config["encoder"]


def test_one_data_set_may_stand_in_place_of_the_plans():
    found = cells("medmnist", methods=["byol"], seeds=[0], updates={"data.csv": "mine"}, dataset="folder")
    (cell,) = found
    assert cell.named == ("byol", "folder", "medmnist")
    assert cell.config["data"]["split"] == "seeded"
    with pytest.raises(InputError, match=r"--data: no data set 'foldre'\. Did you mean 'folder'"):
        cells("smoke", dataset="foldre")
    with pytest.raises(InputError, match="choose the data set with --data folder"):
        cells("smoke", updates={"data.name": "folder"})
