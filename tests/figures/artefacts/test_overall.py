"""What is made from all studies together: transfer, sensitivity and images; and which studies have no chapter."""

import numpy as np
import pytest

from figures.artefacts import datasets, sensitivity, transfer
from figures.evidence import ordering, reading
from tests.figures.synthetic import (
    Memory,
    add,
    add_study,
    add_transfers,
    add_whole_study,
    all_evidence,
    config,
    metrics,
)


def score(method: str, seed: int, command: str) -> float:
    """The kNN metric at 10 % of the labels that the synthetic run stored."""
    percents, values = metrics(config(method, seed), command)["test/knn/balanced_accuracy"]
    return values[percents.index(10.0)]


def rows_of(table, **equal):
    found = table.data
    for column, value in equal.items():
        found = found[found[column] == value]
    return found


@pytest.fixture(scope="module")
def carried() -> Memory:
    memory = Memory()
    made = add_whole_study(memory, ("random_init", "byol", "byol_tracin"), seeds=3, data__split="lesion")
    trained = {key: run for key, run in made.items() if key[0] != "random_init"}
    add_transfers(memory, trained, "pneumoniamnist")
    add_transfers(memory, trained, "breastmnist")
    add_study(memory, ("random_init", "byol"), seeds=3, data__name="pneumoniamnist")
    return memory


def test_transfers_stand_in_a_table_of_their_own_beside_what_the_target_gives_alone(carried: Memory) -> None:
    made = transfer.make(all_evidence(carried))
    assert made is not None
    headings = [group.heading for group in made.grid.groups]
    assert len(headings) == 2 * 3
    assert headings[0].startswith("DermaMNIST (lesion split, 28 px) → ")
    target = "PneumoniaMNIST, official split, 28 px, scale smoke"
    to_pneumonia = rows_of(made, target=target, protocol="knn", percent=10)
    assert list(to_pneumonia["label"]) == ["BYOL", "BYOL + TracIn", "Random init., on the target alone"]
    for row in to_pneumonia.itertuples():
        values = [score(row.method, seed, "train" if "alone" in row.label else "evaluate") for seed in range(3)]
        assert (row.seeds, row.mean) == (3, pytest.approx(np.mean(values)))
    alone = rows_of(made, target="BreastMNIST, official split, 28 px, scale smoke", protocol="knn", percent=10)
    assert list(alone["label"]) == ["BYOL", "BYOL + TracIn"]


def test_transfers_stand_in_no_table_of_the_target_and_make_no_chapter(database, draw) -> None:
    made = add_whole_study(database, ("byol", "byol_tracin"), seeds=1)
    add_transfers(database, made, "breastmnist")
    folder = draw("semi_supervised", "transfer")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"dermamnist-official-28px-smoke"}
    text = (folder / "dermamnist-official-28px-smoke" / "semi_supervised.md").read_text()
    assert sum(line.startswith("| BYOL |") for line in text.splitlines()) == 3
    assert "DermaMNIST (official split, 28 px) → BreastMNIST" in (folder / "transfer.md").read_text()


def test_an_encoder_from_phantom_images_is_marked_wherever_it_goes() -> None:
    memory = Memory()
    made = {}
    for seed in range(2):
        settings = config("byol", seed, data__name="phantom", data__stands_in_for="dermamnist")
        made["byol", seed] = add(memory, settings)
    for (method, seed), run in made.items():
        settings = config(method, seed, data__name="breastmnist", evaluate__pretraining=run)
        add(memory, settings, "evaluate", facts={"pretrained_on": "phantom"})
    table = transfer.make(all_evidence(memory))
    assert table is not None
    assert "Encoders pretrained on PHANTOM images: no medical claim." in table.caption


def test_two_origins_of_one_target_are_told_apart() -> None:
    memory = Memory()
    first = add_whole_study(memory, ("byol",), seeds=1)
    second = add_whole_study(memory, ("byol",), seeds=1, data__split="lesion")
    add_transfers(memory, first, "breastmnist")
    settings = config("byol", 0, data__name="breastmnist", evaluate__pretraining=second["byol", 0])
    facts = {"pretrained_on": "dermamnist", "series": "another"}
    add(memory, settings, "evaluate", facts=facts)
    table = transfer.make(all_evidence(memory))
    assert table is not None
    splits = {heading.heading.split(" split")[0] for heading in table.grid.groups}
    assert splits == {"DermaMNIST (official", "DermaMNIST (lesion"}


def test_sensitivity_finds_what_differs_in_one_setting_also_in_other_studies() -> None:
    memory = Memory()
    add_whole_study(memory, ("random_init", "byol", "byol_cosine", "byol_tracin"), seeds=3)
    for seed in range(3):
        add(memory, config("byol_tracin", seed, tracin__normalize="dot"))
        add(memory, config("byol_tracin", seed, pretrain__epochs=5))
        add(memory, config("byol_tracin", seed, pretrain__epochs=5, tracin__normalize="dot"))  # two settings
        add(memory, config("byol", seed, pretrain__epochs=40))  # another method
    evidence = all_evidence(memory)
    made = sensitivity.make(evidence)
    assert made is not None
    assert [group.heading.split(":")[0] for group in made.grid.groups] == [
        "BYOL + TracIn, pretrain.epochs",
        "BYOL + TracIn, tracin.normalize",
        "BYOL + TracIn, tracin.normalize",  # with fewer epochs
    ]
    assert [label for label, _ in made.grid.groups[0].rows] == ["5", "20 (reference)"]
    row = rows_of(made, setting="pretrain.epochs", value="5", statistic="finetune").iloc[0]

    def means(**other) -> list[float]:
        stored = [metrics(config("byol_tracin", seed, **other)) for seed in range(3)]
        return [float(np.mean(one["test/finetune/balanced_accuracy"][1])) for one in stored]

    own, reference = means(pretrain__epochs=5), means()
    assert row["mean"] == pytest.approx(np.mean(own))
    gain = rows_of(made, setting="pretrain.epochs", value="5", statistic=sensitivity.OVER_REFERENCE).iloc[0]
    assert (gain["seeds"], gain["mean"]) == (3, pytest.approx(np.mean(np.subtract(own, reference))))
    byol = [float(np.mean(metrics(config("byol", s))["test/finetune/balanced_accuracy"][1])) for s in range(3)]
    over_byol = rows_of(made, statistic=sensitivity.OVER_BYOL)
    assert set(over_byol["value"]) == {"20", "cosine", "dot"}  # no BYOL has the other epochs
    of_reference = over_byol[over_byol["value"] == "20"].iloc[0]
    assert (of_reference["seeds"], of_reference["mean"]) == (3, pytest.approx(np.mean(np.subtract(reference, byol))))
    last = [metrics(config("byol_tracin", seed, tracin__normalize="dot")) for seed in range(3)]
    over = [one["partners/tracin_dot/same_label_macro"][1][-1] - one["partners/chance_macro"][1][-1] for one in last]
    chance = rows_of(made, setting="tracin.normalize", value="dot", statistic=sensitivity.OVER_CHANCE).iloc[0]
    assert chance["mean"] == pytest.approx(np.mean(over))


def test_sensitivity_of_right_partners_stands_beside_and_tells_no_rate_of_tracins() -> None:
    memory = Memory()
    add_study(memory, ("byol", "byol_tracin", "byol_oracle"), seeds=3)
    for method in ("byol_tracin", "byol_oracle"):
        add_study(memory, (method,), seeds=3, selector__weight=0.5)
    made = sensitivity.make(all_evidence(memory))
    assert made is not None
    assert [group.heading.split(":")[0] for group in made.grid.groups] == [
        "BYOL + TracIn, selector.weight",
        "BYOL + oracle (uses labels), selector.weight",
    ]
    half = rows_of(made, method="byol_oracle", value="0.5", statistic=sensitivity.OVER_BYOL).iloc[0]
    oracle, byol = (
        [float(np.mean(metrics(config(method, s, **more))["test/finetune/balanced_accuracy"][1])) for s in range(3)]
        for method, more in (("byol_oracle", {"selector__weight": 0.5}), ("byol", {}))
    )
    assert half["mean"] == pytest.approx(np.mean(np.subtract(oracle, byol)))
    told = made.data[made.data["statistic"] == sensitivity.OVER_CHANCE]
    assert set(told["method"]) == {"byol_tracin"}


def test_other_images_are_no_variant() -> None:
    memory = Memory()
    add_whole_study(memory, ("byol", "byol_tracin"), seeds=2)
    add_whole_study(memory, ("byol_tracin",), seeds=2, data__name="pneumoniamnist")
    assert sensitivity.make(all_evidence(memory)) is None


def test_the_reference_is_what_the_other_methods_share_whatever_the_results() -> None:
    memory = Memory()
    add_study(memory, ("byol", "byol_cosine"), seeds=2)
    add_study(memory, ("byol_tracin",), seeds=4, tracin__normalize="dot")  # more runs, but not as the others
    add_study(memory, ("byol_tracin",), seeds=2)
    (study,) = reading.read(memory).studies
    reference = study.reference("byol_tracin")
    assert reference is not None
    assert reference.label == "BYOL + TracIn"
    assert {run["config"]["tracin"]["normalize"] for run in reference.runs} == {"cosine"}


def test_a_study_that_is_but_a_variant_has_no_chapter_and_any_other_has() -> None:
    memory = Memory()
    add_study(memory, ("byol", "byol_tracin"), seeds=2)
    add_study(memory, ("byol_tracin",), seeds=2, pretrain__epochs=5)  # one setting: a variant
    add_study(memory, ("byol_tracin",), seeds=2, pretrain__epochs=5, evaluate__finetune={"steps": 7})  # two
    add_study(memory, ("byol_tracin",), seeds=2, data__name="pneumoniamnist")
    add_study(memory, ("byol", "byol_tracin"), seeds=1, pretrain__epochs=7)
    studies = reading.read(memory).studies
    aside = [study.config["pretrain"]["epochs"] for study in studies if ordering.aside(study, studies)]
    assert len(studies) == 5
    assert aside == [5]


def test_images_are_counted_once_for_all_studies_of_them(carried: Memory) -> None:
    add_study(memory := Memory(), ("byol",), seeds=1)
    add_study(memory, ("byol",), seeds=1, pretrain__epochs=3)
    made = datasets.make(all_evidence(memory))
    assert made is not None
    (group,) = made.grid.groups
    assert group.heading.startswith("DermaMNIST, official split, 28 px, multi-class, the official file")
    printed = [[cell.text for cell in cells] for _, cells in group.rows]
    assert printed[:2] == [["7,007", "1,003", "2,005"], ["1,001", "143", "286"]]
    assert set(made.data["runs"]) == {"1 2"}
    both = datasets.make(all_evidence(carried))
    assert both is not None
    assert len(both.grid.groups) == 3
