"""The claims ledger: what is planted is found, what is not is not, and missing runs never support anything."""

import gc
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from figures.artefacts import claims as ledger_table
from figures.claims import answer, judging, ledger
from repro.configs import WITHOUT_PRETRAINING
from repro.configs.plans import PLANS
from repro.configs.resolve import resolve
from repro.errors import InputError
from tests.figures.synthetic import (
    CONTRASTIVE,
    Memory,
    add,
    add_transfers,
    add_whole_study,
    all_evidence,
    config,
    metrics,
    timings,
)

DATABASES, PLANTED = 200, 50
PRETRAINED = (
    *CONTRASTIVE, "dcl_nn", "moco", "simsiam", "barlow_twins", "vicreg", "swav", "dino", "restore", "byol",
)  # fmt: skip
RIVALS = ("random_init", "supervised", "semixup", "fixmatch", "fixmatch_paths", *PRETRAINED)
COMPARED = ("random_init", "byol", "byol_random", "byol_cosine", "byol_tracin", "byol_oracle")
JUDGED = (
    "semi_supervised_over_byol", "partners_over_chance", "cheap", "byol_over_random", "partners_over_cosine",
    "over_random_partner", "over_cosine_partner", "oracle_over_byol",
)  # fmt: skip


def simulated(rng: np.random.Generator, effect: float, seeds: int = 5) -> Memory:
    """Runs whose test metrics, partners and times differ by `effect` standard deviations, between runs of one seed."""
    memory = Memory()
    for seed in range(seeds):
        luck = 0.05 * rng.normal()  # what runs of one seed share
        for method in COMPARED:
            settings = config(method, seed, evaluate__fractions=[0.01, 0.1, 1.0], evaluate__protocols=["finetune"])
            gain = effect * ((method in ("byol_tracin", "byol_oracle")) - (method == "random_init"))
            test = 0.5 + luck + 0.01 * (gain + rng.normal(size=3))
            points: dict[str, list] = {"test/finetune/balanced_accuracy": [[1.0, 10.0, 100.0], test]}
            facts: dict[str, Any] = {}
            if method in ("byol", "byol_tracin"):
                ratio = (1.1 if method == "byol_tracin" else 1.0) * (1 + 0.01 * rng.normal())
                facts["timings"] = {"pretrain_processor_s": 40 * (ratio - 0.01 * gain), "evaluate_s": 1.0}
            if method == "byol_tracin":
                chance = 0.48 + 0.003 * rng.normal()
                for ending, level in (("", chance), ("_macro", chance - 0.3)):
                    tracin, cosine = level + 0.01 * (gain + rng.normal()), level + 0.01 * rng.normal()
                    points[f"partners/chance{ending}"] = [[1, 2], [0.5, level]]
                    points[f"partners/tracin_cosine/same_label{ending}"] = [[1, 2], [0.9, tracin]]
                    points[f"partners/cosine/same_label{ending}"] = [[1, 2], [0.1, cosine]]
            add(memory, settings, points=points, facts=facts)
    return memory


def verdicts(memory: Memory) -> dict[str, str]:
    table = judging.judge(all_evidence(memory), ledger.read())
    return dict(zip(table["claim"], table["verdict"], strict=True))


@pytest.mark.slow
def test_a_planted_effect_is_supported_and_a_planted_null_is_not_at_the_stated_error_rate() -> None:
    gc.freeze()  # statsmodels collects garbage at every call
    rng = np.random.default_rng(0)
    null = [verdicts(simulated(rng, 0.0)) for _ in range(DATABASES)]
    planted = [verdicts(simulated(rng, 6.0)) for _ in range(PLANTED)]
    for found in (*null, *planted):
        assert judging.TOO_FEW not in {found[name] for name in JUDGED}
        assert {found[name] for name in found.keys() - {*JUDGED}} == {judging.TOO_FEW}
    wrong = sum(judging.SUPPORTED in found.values() for found in null)
    assert wrong <= 20  # false support of any claim of either source: half of what the bound below allows each
    for source in ("[A]", "[us]"):
        names = [claim["name"] for claim in ledger.read()["claim"] if claim["source"] == source]
        # In any of its claims, at most one database in twenty: 10 of 200, and 20 by bad luck in one test of a thousand.
        judged = [{found[name] for name in names} for found in null]
        assert sum(bool({judging.SUPPORTED, judging.OPPOSITE} & verdicts) for verdicts in judged) <= 20
    for name in JUDGED:
        assert sum(found[name] == judging.SUPPORTED for found in planted) >= 0.95 * PLANTED, name


def test_the_opposite_effect_supports_nothing_and_is_called_so() -> None:
    found = verdicts(simulated(np.random.default_rng(1), -8.0))
    assert {name for name, verdict in found.items() if verdict == judging.OPPOSITE} == {*JUDGED}
    assert judging.SUPPORTED not in found.values()


def test_that_one_of_several_rivals_is_better_is_not_supported_but_not_the_opposite() -> None:
    memory = Memory()
    for seed in range(5):
        for place, method in enumerate((*RIVALS, "byol_tracin")):
            height = {"dcl": 0.9, "simclr": 0.8}.get(method, 0.5 - 0.01 * place)
            values = [height + 0.001 * seed * (1 + place)] * 2
            settings = config(method, seed, evaluate__fractions=[0.1, 1.0], evaluate__protocols=["finetune"])
            add(memory, settings, points={"test/finetune/balanced_accuracy": [[10.0, 100.0], values]})
    row = judging.judge(all_evidence(memory), ledger.read()).set_index("claim").loc["semi_supervised_over_rivals"]
    assert (row["verdict"], row["p"]) == (judging.NOT_SUPPORTED, 1.0)
    assert row["against"] in (f"DCL, closest of {len(RIVALS)}", f"SimCLR, closest of {len(RIVALS)}")
    assert row["effect"] < 0


def test_every_pair_is_told_so_that_the_test_can_be_repeated() -> None:
    table = judging.judge(all_evidence(simulated(np.random.default_rng(3), 1.0)), ledger.read())
    judged = table[table["verdict"] != judging.TOO_FEW]
    assert len(judged) == len(JUDGED)
    for row in judged.itertuples():
        values = np.array([float(pair.split(":")[1]) for pair in row.each.split()])
        assert len(values) == row.pairs
        assert values.mean() == pytest.approx(row.effect, rel=1e-4)
        assert stats.ttest_1samp(values, 1.1 if row.claim == "cheap" else 0).pvalue == pytest.approx(row.p, rel=1e-3)


def test_two_seeds_are_too_few_whatever_they_say() -> None:
    assert set(verdicts(simulated(np.random.default_rng(2), 50.0, seeds=2)).values()) == {judging.TOO_FEW}


def test_partners_of_the_most_frequent_class_for_everybody_are_no_better_than_chance() -> None:
    memory, share = Memory(), 2 / 3  # of the images; seven classes
    for seed in range(4):
        noise = 0.001 * seed
        points = {
            "partners/chance": [[2], [share**2 + (1 - share) ** 2 / 6]],
            "partners/chance_macro": [[2], [1 / 7]],
            "partners/tracin_cosine/same_label": [[2], [share + noise]],  # right for the frequent class alone
            "partners/tracin_cosine/same_label_macro": [[2], [1 / 7 + noise * (-1) ** seed]],
        }
        add(memory, config("byol_tracin", seed), points=points)
    row = judging.judge(all_evidence(memory), ledger.read()).set_index("claim").loc["partners_over_chance"]
    assert (row["verdict"], row["second"]) == (judging.NOT_SUPPORTED, judging.SUPPORTED)
    assert row["second_effect"] > 19


def test_of_several_studies_of_the_same_images_the_answer_counts_the_greatest_and_no_procedural_one() -> None:
    memory = Memory()
    for seeds, settings in ((3, {"pretrain__epochs": 7}), (4, {}), (5, {"data__name": "phantom"})):
        for seed in range(seeds):
            for method, height in (("byol", 0.5), ("byol_tracin", 0.6)):
                own = config(method, seed, evaluate__fractions=[0.1], evaluate__protocols=["finetune"], **settings)
                points = {"test/finetune/balanced_accuracy": [[10.0], [height + 0.01 * (seed % 2)]]}
                if method == "byol_tracin":
                    points["test/finetune/balanced_accuracy"][1][0] += 0.001 * seed
                add(memory, own, points=points)
    table = judging.judge(all_evidence(memory), ledger.read())
    rows = table[table["claim"] == "semi_supervised_over_byol"]
    assert sorted(zip(rows["pairs"], rows["counted"], strict=True)) == [(3, False), (4, True), (5, False)]
    assert "**Supported in 1 of 1 study**" in next(answer.sentences(ledger.read(), table))


def test_procedural_images_count_for_claims_that_no_real_images_answer() -> None:
    memory = Memory()
    for name, methods in (("phantom", ("byol", "byol_tracin")), ("dermamnist", ("random_init", "byol"))):
        for seed in range(3):
            for method in methods:
                add(memory, config(method, seed, data__name=name))
    table = judging.judge(all_evidence(memory), ledger.read()).set_index("claim")
    assert table.loc["semi_supervised_over_byol", "counted"]
    assert table.loc["byol_over_random", "counted"]


def whole(rivals: tuple[str, ...] = RIVALS) -> Memory:
    memory = Memory()
    made = add_whole_study(memory, (*rivals, "byol_tracin"), seeds=4)
    encoders = {key: run for key, run in made.items() if key[0] in ("byol_tracin", *PRETRAINED)}
    add_transfers(memory, encoders, "pneumoniamnist")
    return memory


def test_all_rivals_have_to_be_beaten_and_the_weakest_comparison_counts() -> None:
    evidence = all_evidence(whole())
    table = judging.judge(evidence, ledger.read()).set_index("claim")
    row = table.loc["semi_supervised_over_rivals"]

    def mean(method: str, seed: int) -> float:
        return float(np.mean(metrics(config(method, seed))["test/finetune/balanced_accuracy"][1][:3]))

    gains = {method: [mean("byol_tracin", seed) - mean(method, seed) for seed in range(4)] for method in RIVALS}
    weakest = max(gains, key=lambda method: stats.ttest_1samp(gains[method], 0, alternative="greater").pvalue)
    assert row["effect"] == pytest.approx(100 * np.mean(gains[weakest]))
    assert row["p"] == pytest.approx(stats.ttest_1samp(gains[weakest], 0).pvalue)
    assert row["verdict"] == judging.SUPPORTED
    assert table.loc["transfer_over_rivals", "verdict"] == judging.SUPPORTED
    assert len(table.loc["transfer_over_byol", "runs"].split()) == 2 * 4


def test_the_rivals_are_all_methods_of_the_study_that_take_no_additional_positive() -> None:
    asked = {claim["name"]: claim.get("against") for claim in ledger.read()["claim"]}
    plain = [m for m in PLANS["medmnist"].methods if resolve([m])["selector"]["name"] == "none"]
    assert asked["semi_supervised_over_rivals"] == plain
    pretrained = [m for m in plain if resolve([m])["method"]["objective"] not in WITHOUT_PRETRAINING]
    assert asked["transfer_over_rivals"] == pretrained
    assert set(RIVALS) == set(plain)
    assert set(PRETRAINED) == set(pretrained)


@pytest.mark.parametrize("lacking", ["nnclr", "semixup", "random_init", "moco", "fixmatch"])
def test_a_rival_without_runs_makes_too_few_runs(lacking: str) -> None:
    rivals = tuple(method for method in RIVALS if method != lacking)
    table = judging.judge(all_evidence(whole(rivals)), ledger.read()).set_index("claim")
    assert table.loc["semi_supervised_over_rivals", "verdict"] == judging.TOO_FEW
    assert "no runs of " in table.loc["semi_supervised_over_rivals", "note"]


def test_undefined_and_missing_scores_are_no_pairs() -> None:
    memory = Memory()
    add_whole_study(memory, ("byol",), seeds=4)
    for seed in range(4):
        points = metrics(config("byol_tracin", seed))
        if seed < 2:
            points["test/finetune/balanced_accuracy"][1][seed] = math.nan
        add(memory, config("byol_tracin", seed), points=points)
    table = judging.judge(all_evidence(memory), ledger.read()).set_index("claim")
    row = table.loc["semi_supervised_over_byol"]
    assert (row["verdict"], row["pairs"], row["note"]) == (judging.TOO_FEW, 2, "2 of 3 pairs")


def test_a_label_fraction_that_one_method_lacks_is_left_out_and_that_is_said() -> None:
    memory = Memory()
    add_whole_study(memory, ("byol_tracin",), seeds=4)
    for seed in range(4):
        points = metrics(config("byol", seed))
        for rows in points["test/finetune/balanced_accuracy"]:
            del rows[0]
        add(memory, config("byol", seed), points=points)
    row = judging.judge(all_evidence(memory), ledger.read()).set_index("claim").loc["semi_supervised_over_byol"]

    def mean(method: str, seed: int) -> float:
        return float(np.mean(metrics(config(method, seed))["test/finetune/balanced_accuracy"][1][1:3]))

    assert row["effect"] == pytest.approx(100 * np.mean([mean("byol_tracin", s) - mean("byol", s) for s in range(4)]))
    assert (row["verdict"], row["note"]) == (judging.SUPPORTED, "BYOL: both at 10 % and 50 % of the labels only")


@pytest.mark.parametrize(("kind", "ratio"), [("cpu", 1.05), ("cuda", 3.0)])
def test_on_a_cpu_the_time_that_other_work_took_does_not_count(kind: str, ratio: float) -> None:
    memory = Memory()
    for method, processor, elapsed in (("byol", 100.0, 100.0), ("byol_tracin", 105.0, 300.0)):
        for seed in range(3):
            more = 1 + 0.001 * seed * (method == "byol")
            times = {"pretrain_processor_s": processor * more, "pretrain_s": elapsed * more, "evaluate_s": 1.0}
            facts = {"provenance": {"device": "one", "device_type": kind}, "timings": times}
            add(memory, config(method, seed), facts=facts)
    row = judging.judge(all_evidence(memory), ledger.read()).set_index("claim").loc["cheap"]
    assert row["effect"] == pytest.approx(ratio, rel=2e-3)
    assert row["verdict"] == (judging.SUPPORTED if kind == "cpu" else judging.OPPOSITE)


def test_a_run_on_a_cpu_that_did_not_store_processor_time_is_no_evidence_of_cost() -> None:
    memory = Memory()
    for method, elapsed in (("byol", 100.0), ("byol_tracin", 30.0)):
        for seed in range(3):
            facts = {"provenance": {"device": "one", "device_type": "cpu"}, "timings": {"pretrain_s": elapsed + seed}}
            add(memory, config(method, seed), "pretrain", facts=facts)
    row = judging.judge(all_evidence(memory), ledger.read()).set_index("claim").loc["cheap"]
    assert (row["verdict"], row["pairs"]) == (judging.TOO_FEW, 0)


def test_times_of_other_devices_are_not_compared() -> None:
    memory = Memory()
    for method, device in (("byol", "a GPU"), ("byol_tracin", "a CPU")):
        for seed in range(3):
            settings = config(method, seed)
            facts = {"provenance": {"device": device}, "timings": timings(settings, "train")}
            add(memory, settings, facts=facts)
    table = judging.judge(all_evidence(memory), ledger.read()).set_index("claim")
    assert (table.loc["cheap", "verdict"], table.loc["cheap", "pairs"]) == (judging.TOO_FEW, 0)


def test_where_byol_measures_partners_in_every_batch_its_time_says_nothing() -> None:
    memory = Memory()
    for method in ("byol", "byol_tracin"):
        for seed in range(3):
            settings = config(method, seed, selector__measure_every=1)
            add(memory, settings, facts={"timings": timings(settings, "train")})
    row = judging.judge(all_evidence(memory), ledger.read()).set_index("claim").loc["cheap"]
    assert (row["verdict"], row["pairs"]) == (judging.TOO_FEW, 0)


def test_the_ledger_lists_every_claim_also_where_there_are_no_runs_for_it() -> None:
    memory = Memory()
    add_whole_study(memory, ("random_init",), seeds=3)
    made = ledger_table.make(all_evidence(memory))
    assert made is not None
    asked = ledger.read()["claim"]
    assert [group.heading for group in made.grid.groups] == [f"{claim['text']} {claim['source']}" for claim in asked]
    assert all(str(cells[0]).startswith("too few runs (no study has") for g in made.grid.groups for _, cells in g.rows)
    assert {claim["source"] for claim in asked} == {"[A]", "[us]", "[us, later]"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("level = 0.05\nclaim = []", "pairs is missing"),
        ("level = ", "cannot be read"),
        ("level=0.05\npairs=3\n[[claim]]\nname='x'\nkind='magic'", "claim x: kind must be one of scores"),
        (
            "level=0.05\npairs=3\n[[claim]]\nname='x'\nkind='partners'\ntext=''\nsource=''\nbase=''",
            "claim x: headline is missing",
        ),
        (
            "level=0.05\npairs=3\n[[claim]]\nname='x'\nkind='partners'\ntext=''\nsource=''\nbase=''\nmethod='m'\nshort=''\nheadline=true\nat_most=1",
            "claim x: at_most is no key of it",
        ),
    ],
)
def test_a_ledger_that_cannot_be_understood_is_refused(tmp_path, wrong: str, said: str) -> None:
    file = tmp_path / "claims.toml"
    file.write_text(wrong)
    with pytest.raises(InputError, match=said):
        ledger.read(file)
