import math
from collections.abc import Iterable
from statistics import fmean, stdev

import pytest

from figures import style
from figures.artefacts import partner_quality, selectors
from figures.artefacts.artefact import Table
from figures.drawing.tables import MISSING, Group
from tests.figures.synthetic import Memory, add, add_study, config, evidence_of, metrics

SHORT = {"pretrain__epochs": 4, "evaluate__fractions": [1.0]}
ALL = ["oracle", "queue", "tracin_bank", "random", "tracin_dot", "cosine", "tracin_cosine"]
T_OF_TWO_DEGREES = 4.302653
"""Student's t, 97.5 %, two degrees of freedom, as printed in every table."""


def drawn(database) -> Table:
    table = selectors.make(evidence_of(database))
    assert table is not None
    return table


def headings(groups: Iterable[Group]) -> list[str]:
    return [group.heading for group in groups]


def test_every_number_is_of_the_last_epoch_and_paired_with_the_chance_of_its_own_run(database) -> None:
    add_study(database, ("byol", "byol_tracin"), selector__measured=ALL, **SHORT)
    table = drawn(database)
    assert len(table.data) == 2 * (len(ALL) + 1) * 6
    for row in table.data.itertuples():
        values = []
        for seed in range(3):
            made = metrics(config(row.method, seed, selector__measured=ALL, **SHORT))
            last = {name: float(points[-1]) for name, (_, points) in made.items()}
            if row.selector == "chance":
                name = {"same_label": "partners/chance", "same_label_macro": "partners/chance_macro"}.get(row.statistic)
                values += [last[name]] if name else []
            elif row.statistic == "over_chance":
                values.append(last[f"partners/{row.selector}/same_label_macro"] - last["partners/chance_macro"])
            elif f"partners/{row.selector}/{row.statistic}" in last:
                values.append(last[f"partners/{row.selector}/{row.statistic}"])
        assert row.seeds == len(values) == len(row.runs.split())
        if values:
            half = T_OF_TWO_DEGREES * stdev(values) / math.sqrt(3)
            assert row.mean == pytest.approx(fmean(values), rel=1e-12)
            assert row.high - row.mean == pytest.approx(half, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("make", [selectors.make, partner_quality.make])
def test_the_caption_says_in_how_many_batches_selectors_were_measured(make) -> None:
    def caption(**settings: object) -> str:
        memory = Memory()
        add_study(memory, ("byol_tracin",), seeds=2, **SHORT, **settings)
        made = make(evidence_of(memory))
        assert made is not None
        return made.caption

    sentence = "the others in one batch of 8."
    assert sentence in caption(selector__measure_every=8)
    assert caption().replace(" ", "") == "".join(
        caption(selector__measure_every=8)
        .replace(f"The selector that trains is measured in every batch, {sentence}", "")
        .split()
    )
    assert caption(selector__measure_every=1) == caption()


def test_rows_are_in_the_order_of_selectors_and_chance_comes_last(database) -> None:
    add_study(database, ("byol_oracle", "byol"), seeds=1, selector__measured=ALL, **SHORT)
    groups = drawn(database).grid.groups
    assert headings(groups) == ["While BYOL trains", "While BYOL + oracle (uses labels) trains"]
    for group in groups:
        assert [label for label, _ in group.rows] == [*(look.label for look in style.SELECTORS.values()), "Chance"]


def test_only_what_a_series_measured_has_a_row(database) -> None:
    add(database, config("byol", 0, selector__measured=["cosine"], **SHORT))
    add(database, config("byol_random", 0, selector__measured=["cosine"], **SHORT))
    groups = drawn(database).grid.groups
    assert [[label for label, _ in group.rows] for group in groups] == [
        ["Nearest by cosine", "Chance"],
        ["Nearest by cosine", "Random", "Chance"],
    ]


def test_every_series_of_a_method_is_listed_under_its_own_label(database) -> None:
    for normalize in ("dot", "cosine"):
        add(database, config("byol_tracin", 0, tracin__normalize=normalize, **SHORT))
    add_study(database, ("simclr", "random_init"), seeds=1, **SHORT)
    assert headings(drawn(database).grid.groups) == [
        "While BYOL + TracIn trains",
        "While BYOL + TracIn (tracin.normalize=dot) trains",
    ]


def test_queue_has_no_mutual_partners_and_says_so(database) -> None:
    add(database, config("byol_queue", 0, selector__measured=["cosine"], **SHORT))
    table = drawn(database)
    (group,) = table.grid.groups
    shown = dict(zip(table.grid.columns, dict(group.rows)["Nearest in queue"], strict=True))
    assert [heading for heading, cell in shown.items() if str(cell) == MISSING] == [
        "Mutual (%)",
        "Agrees with cosine (%)",
    ]
    assert f"{MISSING}: does not apply" in table.caption


def test_number_that_one_seed_lacks_says_over_how_many_the_mean_is(database) -> None:
    for seed in range(3):
        points = metrics(config("byol", seed, **SHORT))
        if seed == 1:
            del points["partners/cosine/mutual"]
            points["partners/cosine/same_label_macro"][1] = [0.5, 0.5, 0.5, math.nan]
        add(database, config("byol", seed, **SHORT), points=points)
    table = drawn(database)
    (group,) = table.grid.groups
    cells = dict(zip(table.grid.columns, dict(group.rows)["Nearest by cosine"], strict=True))
    fewer = [heading for heading, cell in cells.items() if cell.remark == "n = 2"]
    assert fewer == [
        "Same label, mean over classes (%)", "Over chance, mean over classes (points)", "Mutual (%)",
    ]  # fmt: skip
    assert str(cells["Seeds"]) == "2–3"
    assert "stored but undefined" in table.caption


def test_hub_is_a_count_and_rates_are_percent(database) -> None:
    points = metrics(config("byol", 0, **SHORT))
    for name, value in (("same_label", 0.375), ("same_label_macro", 0.25), ("hub_max", 7.5), ("mutual", 0.125)):
        points[f"partners/cosine/{name}"][1] = [0.9, 0.9, 0.9, value]
    points["partners/chance_macro"][1] = [0.1, 0.1, 0.1, 0.5]
    add(database, config("byol", 0, **SHORT), points=points)
    (group,) = drawn(database).grid.groups
    same, _, over, mutual, hub, _, seeds = map(str, dict(group.rows)["Nearest by cosine"])
    assert (same, over, mutual, hub, seeds) == ("37.5", "−25.0", "12.5", "7.5", "1")


def test_study_without_partners_has_no_selector_table(database) -> None:
    add_study(database, ("random_init", "simclr"), seeds=1, **SHORT)
    assert selectors.make(evidence_of(database)) is None


def test_caption_tells_epoch_seeds_and_that_labels_only_measure(database) -> None:
    add_study(database, ("byol",), seeds=2, **SHORT)
    caption = drawn(database).caption
    assert "in the last epoch of each run (4)" in caption
    assert "2 seeds (0, 1)" in caption
    assert "Labels are used to measure, never to select (except by the oracle)." in caption


def test_long_headings_are_stacked_in_latex(database, draw) -> None:
    add_study(database, ("byol",), seeds=1, **SHORT)
    (path,) = draw("selectors").glob("*/selectors.tex")
    assert r"& \shortstack{Same label,\\mean over\\classes (\%)} &" in path.read_text()
