"""The cells of a study: each once, in an order in which they can run, and the same in every database."""

from collections import Counter

import pytest

from repro.configs import METHODS, WITHOUT_PRETRAINING
from repro.configs.identity import identity
from repro.configs.plans import PLANS, Images, Plan
from repro.configs.resolve import resolve
from repro.errors import InputError
from repro.pretrain.objectives import OBJECTIVES
from repro.reproduce.plan import Cell, cells


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
    seeds = Counter(
        (cell.task, cell.named, str({k: v for k, v in cell.updates.items() if k != "seed"}), cell.origin is None)
        for cell in study
    )
    assert min(seeds.values()) >= 3
    images = {str(dict(each.updates)) for each in PLANS[scale].datasets}
    main = {key: count for key, count in seeds.items() if key[0] == "train" and key[2] in images}
    assert len(main) == len(PLANS[scale].datasets) * len(PLANS[scale].methods)
    assert min(main.values()) >= 5


def test_an_ablation_changes_one_setting_and_its_own_value_is_the_main_cell():
    study = [cell for cell in cells("medmnist") if cell.updates["seed"] == 0 and cell.task == "train"]
    first: dict[tuple[str, str, str], Cell] = {}  # method, data set, split
    for cell in study:
        first.setdefault((*cell.named[:2], cell.config["data"]["split"]), cell)
    changed = []
    for ablation in PLANS["medmnist"].ablations:
        images = ablation.images or PLANS["medmnist"].datasets[0]
        for key, values in ablation.axes.items():
            group, name = key.split(".")
            for method in ablation.methods:
                own = first[method, images.named, images.updates.get("data.split", "official")].config[group][name]
                assert own in values, "the main cell is a point of every axis"
                changed += [(method, images.named, key, value) for value in values if value != own]
    variants = [cell for cell in study if cell not in first.values()]
    assert [(*cell.named[:2], *list(cell.updates.items())[-1]) for cell in variants] == changed


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
    assert len(study) == 3 + 4 + 4  # data sets, transfers from two of them, variants on the first
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
