"""The figure of effects and the answer in sentences: both say what the claims ledger says, and no more."""

import math

import numpy as np
import pandas as pd
import pytest

from figures import style
from figures.artefacts import effects
from figures.artefacts.artefact import Drawing
from figures.claims import answer, judging
from figures.claims.ledger import read
from figures.drawing.rendering import render
from figures.evidence import titles
from figures.evidence.titles import title
from tests.figures.claims.test_judging import simulated
from tests.figures.synthetic import CONTRASTIVE, Memory, add_transfers, add_whole_study, all_evidence

SEEDS = 4


def studied() -> Memory:
    """One study of every kind of claim, and transfers from it."""
    memory = Memory()
    methods = (
        "random_init",
        "supervised",
        *CONTRASTIVE,
        "byol",
        "byol_random",
        "byol_cosine",
        "byol_tracin",
        "byol_oracle",
    )
    made = add_whole_study(memory, methods, seeds=SEEDS)
    add_transfers(
        memory, {key: run for key, run in made.items() if key[0] in ("byol", "byol_tracin")}, "pneumoniamnist"
    )
    return memory


def test_the_figure_shows_every_judged_comparison_with_one_rival_as_the_ledger_has_it() -> None:
    evidence, ledger = all_evidence(studied()), read()
    drawing = effects.make(evidence)
    assert isinstance(drawing, Drawing)
    table = judging.judge(evidence, ledger)
    names = [
        "semi_supervised_over_byol", "transfer_over_byol", "byol_over_random", "over_random_partner",
        "over_cosine_partner", "oracle_over_byol", "linear_over_byol",
    ]  # fmt: skip
    assert drawing.data["claim"].to_list() == names
    expected = table.set_index("label").loc[drawing.data["label"]]
    assert drawing.data["effect"].to_list() == expected["effect"].to_list()
    titles = [claim["short"] for claim in ledger["claim"] if claim["name"] in names]
    for width in (style.TWO_COLUMNS, style.ONE_COLUMN):
        figure = drawing.draw(width)
        assert figure.get_figwidth() == width
        (panel,) = figure.axes
        told = [text.get_text() for text in panel.texts]
        numbers = (
            [f"{answer.effect(row)} ({SEEDS})" for row in drawing.data.itertuples()]
            if width == style.TWO_COLUMNS
            else []
        )
        assert told == [*titles, *numbers]
        labels = [label.get_text().replace("\n", " ") for label in panel.get_yticklabels()]
        assert labels == [study.replace(", scale ", ", ") for study in drawing.data["study"]]
        lines = panel.lines
        for bar, mark, place, row in zip(
            lines[::2], lines[1::2], panel.get_yticks(), drawing.data.itertuples(), strict=True
        ):
            assert list(bar.get_xdata()) == [row.low, row.high]
            assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (row.effect, place)
            assert (mark.get_marker(), mark.get_color(), mark.get_markerfacecolor()) == effects.LOOKS[row.verdict]
            low, high = panel.get_xlim()
            assert low < min(0, row.effect)
            assert high > max(0, row.effect)


def test_one_wide_interval_does_not_flatten_the_others() -> None:
    table = judging.judge(all_evidence(studied()), read())
    shown = table[table["claim"] == "semi_supervised_over_byol"]
    wide = shown.assign(effect=1.0, low=-400.0, high=400.0)
    low, high = effects._limits(wide)
    assert -10 < low < 0 < high < 10


def test_too_few_runs_are_drawn_as_such_and_not_counted() -> None:
    evidence, ledger = all_evidence(simulated(np.random.default_rng(0), 50.0, seeds=2)), read()
    drawing = effects.make(evidence)
    assert isinstance(drawing, Drawing)
    assert set(drawing.data["verdict"]) == {judging.TOO_FEW}
    (panel,) = drawing.draw(style.ONE_COLUMN).axes
    assert [mark.get_markerfacecolor() for mark in panel.lines[1::2]] == ["none"] * len(drawing.data)
    said = list(answer.sentences(ledger, judging.judge(evidence, ledger)))
    assert [line.rpartition("* ")[2] for line in said] == [
        "Too few runs to test.",
        "No runs yet.",
        "Too few runs to test.",
        "(Our question, asked after runs that answer it had been read.) No runs yet.",
    ]


@pytest.mark.parametrize(("effect", "counts"), [(8.0, "1 of 1 study"), (-8.0, "0 of 1 study, the opposite in 1")])
def test_the_answer_counts_what_is_supported_and_gives_each_effect_with_its_interval(effect: float, counts: str):
    evidence, ledger = all_evidence(simulated(np.random.default_rng(1), effect)), read()
    table = judging.judge(evidence, ledger)
    few, other, partners, later = answer.sentences(ledger, table)
    row = table.set_index("claim").loc["semi_supervised_over_byol"]
    sign = "+" if row["effect"] > 0 else "−"
    interval = f"{sign}{abs(row['effect']):.1f} ± {row['high'] - row['effect']:.1f} points ({row['study']})."
    assert few.startswith(f"*{ledger['claim'][0]['text']}* **Supported in {counts}**: {sign}")
    assert few.endswith(interval)
    assert other.endswith("* No runs yet.")
    assert f"**Supported in {counts}**" in partners
    assert later.endswith("BYOL.* (Our question, asked after runs that answer it had been read.) No runs yet.")


def test_the_answer_says_where_neither_a_claim_nor_its_opposite_is_supported():
    evidence, ledger = all_evidence(simulated(np.random.default_rng(3), 0.0)), read()
    table = judging.judge(evidence, ledger)
    row = table.set_index("claim").loc["semi_supervised_over_byol"]
    assert row["verdict"] == judging.NOT_SUPPORTED
    few = next(iter(answer.sentences(ledger, table)))
    assert f"**Not supported in 1 of 1 study; nor is the opposite**: {answer.effect(row)} points" in few


def test_the_extent_of_a_study_names_few_methods_and_counts_many(monkeypatch: pytest.MonkeyPatch):
    memory = Memory()
    add_whole_study(memory, ("byol", "byol_tracin"), seeds=3)
    add_whole_study(memory, ("random_init",), seeds=1)
    evidence = all_evidence(memory)
    says = f"Methods and seeds: {title(evidence.studies[0])}"
    named = f"{says}: 3 seeds of BYOL and BYOL + TracIn, 1 seed of Random init."
    assert answer.extent(evidence.studies) == named
    monkeypatch.setattr(titles, "NAMED", 1)
    assert answer.extent(evidence.studies) == named.replace("BYOL and BYOL + TracIn", "2 methods")


def test_nothing_is_drawn_where_nothing_can_be_compared() -> None:
    memory = Memory()
    add_whole_study(memory, ("byol_tracin",), seeds=3)
    assert effects.make(all_evidence(memory)) is None


def test_an_effect_without_an_interval_is_printed_without_one() -> None:
    table = judging.judge(all_evidence(simulated(np.random.default_rng(1), 1.0, seeds=1)), read())
    row = next(table[table["claim"] == "semi_supervised_over_byol"].itertuples())
    assert math.isnan(row.high)
    assert "±" not in str(answer.effect(row))


def test_of_many_studies_the_answer_gives_the_least_and_the_greatest_effect():
    evidence, ledger = all_evidence(simulated(np.random.default_rng(1), 8.0)), read()
    judged = judging.judge(evidence, ledger)
    one = judged[judged["claim"] == "semi_supervised_over_byol"].iloc[[0]]
    effects_in = {"B": 3.0, "A": -2.0, "D": 0.5, "C": 7.25}
    table = pd.concat(
        [one.assign(study=name, effect=mean, low=mean - 1, high=mean + 1) for name, mean in effects_in.items()]
    )
    few, *_ = answer.sentences(ledger, table)
    assert few.endswith("in 4 of 4 studies**: from −2.0 ± 1.0 points (A) to +7.2 ± 1.0 points (C).")
    few, *_ = answer.sentences(ledger, table[table["study"] != "D"])
    assert few.endswith(": +3.0 ± 1.0 points (B); −2.0 ± 1.0 points (A); +7.2 ± 1.0 points (C).")


def test_nothing_in_it_is_white_which_would_hide_its_words_on_a_dark_page() -> None:
    drawing = effects.make(all_evidence(studied()))
    assert isinstance(drawing, Drawing)
    for width in (style.TWO_COLUMNS, style.ONE_COLUMN):
        drawn = render(drawing.draw, width)
        assert style.DARK[style.INK] in drawn.svg
        assert style.PAPER not in drawn.svg
