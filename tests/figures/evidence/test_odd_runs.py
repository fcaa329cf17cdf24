"""Runs that are not made as the plans make them: judged apart, left out, alike in name, of odd names."""

import numpy as np
import pytest

from figures.artefacts import (
    comparisons,
    label_efficiency,
    over_random,
    partner_quality,
    roc,
    semi_supervised,
    sensitivity,
    training_curves,
    transfer,
)
from figures.claims import judging, ledger
from figures.drawing.rendering import render
from figures.drawing.tables import Cell, Grid, Group, markdown
from figures.evidence import ordering, reading
from tests.figures.claims.test_judging import RIVALS
from tests.figures.synthetic import (
    Memory,
    add,
    add_study,
    add_transfers,
    add_whole_study,
    all_evidence,
    config,
    data,
    evidence_of,
    files,
    metrics,
)


def verdict(memory: Memory, claim: str) -> dict[str, object]:
    table = judging.judge(all_evidence(memory), ledger.read())
    return table[table["claim"] == claim].iloc[0].to_dict()


@pytest.fixture(scope="module")
def apart() -> Memory:
    """Encoders pretrained in runs of their own, and judged on the same images in others."""
    memory = Memory()
    add_study(memory, ("random_init",), seeds=4)
    for method in ("byol", "byol_tracin"):
        for seed in range(4):
            settings = config(method, seed)
            encoder = add(memory, settings, "pretrain")
            add(memory, config(method, seed, evaluate__pretraining=encoder), "evaluate")
    return memory


def test_encoders_judged_in_runs_apart_are_compared_and_their_partners_measured(apart: Memory) -> None:
    assert verdict(apart, "semi_supervised_over_byol")["pairs"] == 4
    assert verdict(apart, "partners_over_chance")["pairs"] == 4
    assert verdict(apart, "cheap")["pairs"] == 4
    evidence = evidence_of(apart)
    for artefact in (comparisons, over_random, label_efficiency):
        made = artefact.make(evidence)
        assert made is not None
        assert "byol_tracin" in set(made.data["method"])
        assert made.data.loc[made.data["method"] == "byol_tracin", "seeds"].max() == 4
    assert partner_quality.make(evidence) is not None
    curves = training_curves.make(evidence)
    assert curves is not None
    assert {"pretrain/loss_byol", "finetune/100/val"} <= set(curves.data["metric"])


def test_a_reference_whose_runs_are_left_out_gives_way_to_one_with_runs() -> None:
    memory = Memory()
    add_study(memory, ("byol", "byol_cosine"), seeds=3)
    for seed in range(3):
        add(memory, config("byol_tracin", seed), status="FAILED")
        add(memory, config("byol_tracin", seed, tracin__normalize="dot"))
    assert verdict(memory, "semi_supervised_over_byol")["pairs"] == 3
    made = comparisons.make(evidence_of(memory))
    assert made is not None
    assert "byol_tracin" in set(made.data["method"])


def test_a_damaged_config_of_a_left_out_run_stops_nothing() -> None:
    memory = Memory()
    add_study(memory, ("byol",), seeds=2)
    for broken in ({"seed": 0}, None):
        run = memory.add(config("byol", 5), status="FAILED")
        memory.runs()[run - 1]["config"] = broken
    found = reading.read(memory)
    assert len(found.left_out) == 2
    assert len(found.studies[0].runs) == 2


def test_a_study_of_another_method_is_no_variant_that_could_be_hidden() -> None:
    memory = Memory()
    add_study(memory, ("random_init", "byol", "byol_tracin"), seeds=2)
    add_study(memory, ("byol",), seeds=2, pretrain__epochs=40)
    studies = reading.read(memory).studies
    assert [ordering.aside(study, studies) for study in studies] == [False, False]


def test_studies_of_the_same_images_are_told_apart_by_what_differs() -> None:
    memory = Memory()
    for epochs in (20, 40):
        add_study(memory, ("byol", "byol_tracin"), seeds=3, pretrain__epochs=epochs)
        add_study(memory, ("byol_tracin",), seeds=3, pretrain__epochs=epochs, selector__weight=2.0)
    evidence = all_evidence(memory)
    assert {study.note for study in evidence.studies} == {"", "pretrain.epochs=40"}
    table = judging.judge(evidence, ledger.read())
    asked = table[table["claim"] == "semi_supervised_over_byol"]
    assert asked["label"].nunique() == len(asked) == 2
    made = sensitivity.make(evidence)
    assert made is not None
    headings = [group.heading for group in made.grid.groups]
    assert len(headings) == len(set(headings)) == 3  # the weight in each study, and the epochs once
    assert sum(len(group.rows) for group in made.grid.groups) == 6


def test_captions_say_up_to_where_no_mean_is_over_all_seeds() -> None:
    memory = Memory()
    add_study(memory, ("random_init", "byol"), seeds=2)
    add_study(memory, ("byol_tracin",), seeds=5)
    evidence = evidence_of(memory)
    for artefact in (comparisons, over_random):
        made = artefact.make(evidence)
        assert made is not None
        assert "up to 5 seeds (0, 1, 2, 3, 4)" in made.caption
    memory = Memory()
    for method, seeds in (("byol", (0, 1)), ("byol_tracin", (2, 3))):
        for seed in seeds:
            add(memory, config(method, seed))
    made = semi_supervised.make(evidence_of(memory))
    assert made is not None
    assert "up to 4 seeds" in made.caption


def test_the_weakest_comparison_is_the_clearest_defeat() -> None:
    rng = np.random.default_rng(0)
    memory = Memory()
    worse = {**dict.fromkeys(RIVALS, -5.0), "byol": 0.3, "semixup": 10.0}
    for seed in range(4):
        for method, gain in {"byol_tracin": 0.0, **worse}.items():
            points = {"test/finetune/balanced_accuracy": [[1.0, 10.0], 0.5 + (gain + 0.2 * rng.normal(size=2)) / 100]}
            add(memory, config(method, seed, evaluate__fractions=[0.01, 0.1]), points=points)
    row = verdict(memory, "semi_supervised_over_rivals")
    assert row["verdict"] == judging.NOT_SUPPORTED
    assert row["effect"] == pytest.approx(-10, abs=0.5)


def test_the_runs_behind_a_difference_are_both_of_every_pair_and_no_other() -> None:
    memory = Memory()
    made = add_whole_study(memory, ("random_init", "byol"), seeds=2)
    lone = add(memory, config("byol", 7))
    table = over_random.make(evidence_of(memory))
    assert table is not None
    behind = {int(run) for runs in table.data["runs"] for run in runs.split()}
    assert behind == set(made.values())
    assert lone not in behind


def test_a_transfer_whose_source_runs_are_partly_gone_is_counted_once() -> None:
    memory = Memory()
    encoders = add_whole_study(memory, ("byol",), seeds=2)
    gone = {("byol", seed): 900 + seed for seed in (2, 3)}
    add_transfers(memory, {**encoders, **gone}, "breastmnist")
    made = transfer.make(all_evidence(memory))
    assert made is not None
    assert len(made.grid.groups) == 3
    assert set(made.data["seeds"]) == {4}


def test_a_transfer_has_no_group_for_a_protocol_that_only_the_target_has() -> None:
    memory = Memory()
    encoders = add_whole_study(memory, ("byol",), seeds=1)
    add_transfers(memory, encoders, "breastmnist", evaluate__protocols=["finetune"])
    add_study(memory, ("random_init",), seeds=1, data__name="breastmnist")
    made = transfer.make(all_evidence(memory))
    assert made is not None
    assert [heading.heading.rpartition(": ")[2] for heading in made.grid.groups] == ["fine-tuning"]


def test_the_page_warns_beside_the_verdicts(database, draw) -> None:
    settings = {"data__name": "phantom", "data__stands_in_for": "dermamnist"}
    add_study(database, ("byol", "byol_tracin"), seeds=3, **settings)
    text = (draw() / "index.html").read_text()
    overall = text[text.index('id="overall-claims"') : text.index('id="overall-datasets"')]
    assert "PHANTOM images standing in for DermaMNIST: no medical claim." in overall
    assert "too short to rank methods" in overall


def test_names_with_dollars_and_of_any_length_are_drawn() -> None:
    memory = Memory()
    names = [r"$\frac$", "50 % < x", "a" * 90, "actinic keratoses and intraepithelial carcinoma", "_b^", "{c}", "d&e"]
    settings = config("byol", 0)
    facts = {"data": {**data(settings), "class_names": names}}
    add(memory, settings, facts=facts, files=files(settings))
    made = roc.make(evidence_of(memory))
    assert made is not None
    assert render(made.draw, 6.9).png
    assert set(made.data["class"]) == set(names)


def test_markdown_keeps_a_label_in_its_row() -> None:
    grid = Grid("a", ["b"], [Group("g", [("one\ntwo | three*", [Cell("1")])])])
    assert "| one two \\| three\\* | 1 |" in markdown(grid, "caption").splitlines()


def test_metrics_of_another_epoch_than_chance_are_no_pairs() -> None:
    memory = Memory()
    for seed in range(3):
        points = metrics(config("byol_tracin", seed))
        rates = points["partners/tracin_cosine/same_label_macro"]
        points["partners/tracin_cosine/same_label_macro"] = [rates[0][:5], rates[1][:5]]
        add(memory, config("byol_tracin", seed), points=points)
    assert verdict(memory, "partners_over_chance")["verdict"] == judging.TOO_FEW
