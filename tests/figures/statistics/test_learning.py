"""Claims are asked where BYOL has learned; runs that learned nothing are marked; two metrics judge."""

import numpy as np
import pandas as pd
import pytest

from figures.artefacts import claims as ledger_table
from figures.artefacts import learning as figure
from figures.artefacts import published, semi_supervised
from figures.claims import answer, judging
from figures.claims.ledger import read
from figures.drawing import captions
from figures.evidence.series import MARK
from figures.statistics.learning import gains, learned
from tests.figures.synthetic import Memory, add, all_evidence, config, evidence_of, metrics

PARTNERS = ("byol_random", "byol_cosine", "byol_tracin", "byol_oracle")


def looked_at(settings: dict, learns: bool) -> dict:
    """The usual metrics, and looks at the network while it trains."""
    epochs = np.arange(0, 21, 4)
    level = 0.39 + (0.1 if learns else 0.0) * (1 - np.exp(-epochs / 5))
    rng = np.random.default_rng(settings["seed"])
    found = metrics(settings)
    for name in ("linear", "knn"):
        found[f"probe/{name}/balanced_accuracy"] = [epochs, level + 0.002 * rng.normal(size=len(epochs))]
    found["probe/rank_features"] = [epochs, 20 + epochs]
    return found


def study(learns: bool, seeds: int = 5, told: bool = True, each: bool | None = None) -> Memory:
    """A study whose BYOL, with and without partners, has learned something or not, as each run says or does not say."""
    memory = Memory()
    for seed in range(seeds):
        for method in ("random_init", "byol", *PARTNERS):
            settings = config(method, seed)
            random = 0.39 + 0.002 * seed
            gain = 0.1 + 0.001 * seed if learns else -0.01
            says = learns if each is None else each
            facts = {"learning": {"readout": random + gain, "random": random, "learned": says}}
            with_facts = facts if told and method != "random_init" else {}
            points = looked_at(settings, learns) if method != "random_init" else metrics(settings)
            add(memory, settings, facts=with_facts, points=points)
    return memory


def test_nothing_is_asked_about_partners_where_byol_has_learned_nothing_and_the_answer_says_so():
    evidence, ledger = all_evidence(study(learns=False)), read()
    table = judging.judge(evidence, ledger).set_index("claim")
    for name in ("semi_supervised_over_byol", "partners_over_chance", "oracle_over_byol", "over_random_partner"):
        assert table.loc[name, "verdict"] == judging.NOT_ASKED
        assert "linear readout of BYOL against random weights" in table.loc[name, "note"]
        assert "−1.0" in table.loc[name, "note"]
    assert table.loc["byol_over_random", "verdict"] != judging.NOT_ASKED
    first = next(iter(answer.sentences(ledger, table.reset_index())))
    assert first.endswith(
        "**No answer: not asked in the only study**, since BYOL is not shown there to learn more than random weights."
    )


def test_where_byol_has_learned_claims_are_asked():
    table = judging.judge(all_evidence(study(learns=True)), read())
    assert judging.NOT_ASKED not in set(table["verdict"])


def test_runs_that_did_not_tell_are_judged_by_their_linear_probe_on_validation_images():
    memory = Memory()
    for seed in range(3):
        for method, level in (("random_init", 0.40), ("byol", 0.39 + 0.001 * seed), ("byol_tracin", 0.5)):
            settings = config(method, seed, evaluate__protocols=["linear", "finetune"])
            points = metrics(settings)
            points["val/linear/balanced_accuracy"] = [[1.0, 100.0], [0.9, level]]
            add(memory, settings, points=points)
    evidence = all_evidence(memory)
    (one,) = evidence.studies
    gain = gains(one, evidence.points_of(one), "byol")
    pd.testing.assert_series_equal(gain, pd.Series([-0.01, -0.009, -0.008], index=[0, 1, 2]), check_names=False)
    assert learned(gain) is False
    table = judging.judge(evidence, read()).set_index("claim")
    assert table.loc["semi_supervised_over_byol", "verdict"] == judging.NOT_ASKED


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [([], None), ([0.01], True), ([-0.01], False), ([0.1, 0.11, 0.09], True), ([0.1, -0.09, 0.02], False)],
)
def test_a_gain_counts_where_it_is_above_chance_over_seeds(gain: list[float], verdict: bool | None):
    assert learned(pd.Series(gain, dtype=float)) is verdict


def test_every_table_marks_methods_of_which_a_run_learned_nothing_and_says_which_runs():
    evidence = evidence_of(study(learns=False))
    table = semi_supervised.make(evidence)
    assert {label for group in table.grid.groups for label, _ in group.rows if label.endswith(MARK)} == {
        f"{name}{MARK}"
        for name in ("BYOL", "BYOL + random", "BYOL + cosine", "BYOL + TracIn", "BYOL + oracle (uses labels)")
    }
    (said,) = [
        line for line in captions.warnings(evidence.study, evidence.points) if "Not shown to have learned" in line
    ]
    assert "BYOL † in all 5 runs;" in said
    together = evidence_of(study(learns=True, each=False))
    said = " ".join(captions.warnings(together.study, together.points))
    assert "BYOL † in all 5 runs (above it over 5 runs together);" in said
    unmarked = semi_supervised.make(evidence_of(study(learns=True)))
    assert not [label for group in unmarked.grid.groups for label, _ in group.rows if MARK in label]


def test_the_figure_of_learning_begins_at_random_weights_and_has_every_method_that_trained():
    evidence = evidence_of(study(learns=True))
    drawing = figure.make(evidence)
    assert set(drawing.data["method"]) == {"byol", *PARTNERS}
    linear = drawing.data[drawing.data["metric"] == "probe/linear/balanced_accuracy"]
    assert set(linear["step"]) == set(range(0, 21, 4))
    panels = drawing.draw(6.9).axes
    assert len(panels) == 3
    (reference,) = [line for line in panels[0].lines if line.get_color() == figure.RANDOM.colour]
    assert reference.get_ydata()[0] == pytest.approx(100 * linear.loc[linear["step"] == 0, "mean"].mean())
    assert figure.make(evidence_of(whole_without_looks())) is None


def whole_without_looks() -> Memory:
    memory = Memory()
    add(memory, config("byol", 0))
    return memory


def test_a_verdict_that_hangs_on_the_metric_is_seen_in_the_ledger():
    memory, rng = Memory(), np.random.default_rng(0)
    for seed in range(5):
        for method in ("random_init", "byol", "byol_tracin"):
            settings = config(method, seed, evaluate__fractions=[0.1, 1.0], evaluate__protocols=["finetune"])
            better = method == "byol_tracin"
            points = {
                f"test/finetune/{metric}": [[10.0, 100.0], 0.5 + sign * 0.05 * better + 0.001 * rng.normal(size=2)]
                for metric, sign in (("balanced_accuracy", 1), ("macro_auc", -1))
            }
            add(memory, settings, points=points)
    evidence = all_evidence(memory)
    row = judging.judge(evidence, read()).set_index("claim").loc["semi_supervised_over_byol"]
    assert (row["verdict"], row["second"]) == (judging.SUPPORTED, judging.OPPOSITE)
    assert row["effect"] == pytest.approx(5, abs=0.3)
    assert row["second_effect"] == pytest.approx(-5, abs=0.3)
    table = ledger_table.make(evidence)
    cells = next(cells for group in table.grid.groups for label, cells in group.rows if "smoke" in label)
    assert "opposite" in str(cells[table.grid.columns.index("Second measure")])


@pytest.mark.parametrize(("precision", "told"), [("float32", False), ("bf16", True)])
def test_published_numbers_stand_beside_our_runs_of_the_same_experiment(precision: str, told: bool):
    memory = Memory()
    for seed, auc in enumerate((0.90, 0.91, 0.92)):
        settings = config(
            "random_init", seed, scale="medmnist_protocol", data__name="breastmnist", evaluate__fractions=[1.0],
            evaluate__protocols=["finetune"], evaluate__finetune__precision=precision, encoder={"width": 64},
        )  # fmt: skip
        points = {f"test/finetune/{name}": [[100.0], [auc]] for name in ("macro_auc", "accuracy", "balanced_accuracy")}
        add(memory, settings, points=points)
    table = published.make(all_evidence(memory))
    row = table.data.set_index("metric").loc["macro_auc"]
    assert (row["published_low"], row["seeds"], row["width"]) == (0.901, 3, 64)
    assert row["mean"] == pytest.approx(0.91)
    assert ("bfloat16" in row["differs"]) == told
    assert published.make(all_evidence(whole_without_looks())) is None
