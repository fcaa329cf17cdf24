"""The gauntlet: encoders in one table and one figure, and no chapter of each."""

import numpy as np
import pytest

from figures.artefacts import gauntlet
from figures.drawing.tables import MISSING
from figures.evidence import ordering, reading
from figures.statistics.encoder_scores import encoder_name
from tests.figures.synthetic import Memory, add, add_study, all_evidence, config, metrics

ENCODERS = {
    "resnet18": {"arch": "resnet18", "stem": "half", "width": 16, "patch": None, "weights": None},
    "convnext_atto": {"arch": "convnext_atto", "stem": "half", "width": 16, "patch": None, "weights": None},
    "vit": {"arch": "vit_tiny_patch16_224", "stem": "half", "width": 16, "patch": 7, "weights": None},
}
COSTS = {"resnet18": (700_000, 5_500_000), "convnext_atto": (3_400_000, 12_300_000), "vit": (5_400_000, 91_000_000)}
IMAGES = ("dermamnist", "pneumoniamnist")


def stored(seeds: int = 2) -> Memory:
    memory = Memory()
    for name, encoder in ENCODERS.items():
        parameters, macs = COSTS[name]
        for data in IMAGES:
            for method in ("random_init", "byol"):
                for seed in range(seeds):
                    made = config(method, seed, scale="gauntlet", data__name=data) | {"encoder": encoder}
                    facts = {
                        "encoder": {"arch": encoder["arch"], "parameters": parameters, "macs": macs},
                        "timings": {"features_per_second": 1000.0 + seed},
                    }
                    add(memory, made, facts=facts)
    return memory


@pytest.fixture(scope="module")
def memory() -> Memory:
    return stored()


def test_every_encoder_is_a_row_with_its_costs_and_the_scores_that_its_runs_stored(memory: Memory):
    made = gauntlet.make_table(all_evidence(memory))
    assert made is not None
    assert [group.heading for group in made.grid.groups] == [
        f"{name}, official split, 28 px: {method}"
        for name in ("DermaMNIST", "PneumoniaMNIST")
        for method in ("Random init.", "BYOL")
    ]
    for group in made.grid.groups:
        names = [name for name, _ in group.rows]
        assert names == ["resnet18 (stem half, width 16)", "convnext_atto", "vit_tiny_patch16_224 (patch 7)"]
        assert [cells[0].text for _, cells in group.rows] == ["0.70", "3.40", "5.40"]
        assert [cells[1].text for _, cells in group.rows] == ["5.50", "12.3", "91.0"]
        assert {cells[2].text for _, cells in group.rows} == {"1,000"}
    assert made.grid.columns[:3] == ["Parameters (M)", "MACs (M)", "Images per second"]
    scores = made.data[(made.data["cost"] == "") & (made.data["protocol"] == "linear")]
    row = scores[(scores["method"] == "byol") & (scores["percent"] == 10)].iloc[0]
    values = []
    for seed in range(2):
        own = config("byol", seed, scale="gauntlet") | {"encoder": ENCODERS["resnet18"]}
        percents, found = metrics(own, "train")["test/linear/balanced_accuracy"]
        values.append(found[percents.index(10.0)])
    assert (row["seeds"], row["mean"]) == (2, pytest.approx(np.mean(values)))


def test_the_figure_holds_every_score_at_the_most_labels_against_operations(memory: Memory):
    made = gauntlet.make_figure(all_evidence(memory))
    assert made is not None
    assert set(made.data["percent"]) == {100.0}
    assert len(made.data) == len(ENCODERS) * len(IMAGES) * 2 * 3
    for width in (6.9, 3.35):
        figure = made.draw(width)
        panels = [panel for panel in figure.axes if panel.get_xscale() == "log"]
        assert len(panels) == len(IMAGES) * 3
        drawn = {float(line.get_xdata()[0]) for panel in panels for line in panel.lines}
        assert drawn == {5.5e6, 12.3e6, 91e6}
    assert "vit_tiny_patch16_224 (patch 7)" in made.alt


def test_encoders_have_no_chapters_and_other_studies_no_place_in_the_gauntlet():
    memory = stored(seeds=1)
    add_study(memory, ("random_init", "byol"), seeds=1)
    found = reading.read(memory).studies
    chapters = [study for study in found if not ordering.aside(study, found)]
    assert [study.scale for study in chapters] == ["smoke"]
    made = gauntlet.make_table(all_evidence(memory))
    assert made is not None
    assert len(made.data["study"].unique()) == len(ENCODERS) * len(IMAGES)
    plain = Memory()
    add_study(plain, ("byol",), seeds=1)
    assert gauntlet.make_table(all_evidence(plain)) is None
    assert gauntlet.make_figure(all_evidence(plain)) is None


def test_runs_without_costs_are_drawn_as_missing():
    memory = Memory()
    add(memory, config("byol", 0, scale="gauntlet") | {"encoder": ENCODERS["vit"]}, facts={"timings": {}})
    made = gauntlet.make_table(all_evidence(memory))
    assert made is not None
    assert {cell.text for cell in made.grid.groups[0].rows[0][1][:3]} == {MISSING}
    assert gauntlet.make_figure(all_evidence(memory)) is None


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"arch": "resnet18", "stem": "imagenet", "width": 64}, "resnet18"),
        ({"arch": "resnet18", "stem": "imagenet", "width": 16}, "resnet18 (width 16)"),
        ({"arch": "convnext_atto", "stem": "half", "width": 16, "patch": None}, "convnext_atto"),
    ],
)
def test_an_encoder_is_named_with_the_settings_that_it_has(settings: dict, name: str):
    assert encoder_name({"config": {"encoder": settings}}) == name
