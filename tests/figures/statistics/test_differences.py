"""Comparisons with BYOL, held to scipy's paired test and to Holm's rule written out."""

import math

import numpy as np
import pytest
from scipy import stats

from figures.artefacts import comparisons, over_random, paired_differences
from figures.statistics.differences import MEAN, differences
from figures.statistics.estimates import LEVEL, difference, holm
from tests.figures.synthetic import Memory, add, add_whole_study, config, evidence_of, metrics


def values(method: str, seed: int, protocol: str) -> np.ndarray:
    """What the synthetic run stored: the test metric at each label fraction."""
    return np.array(metrics(config(method, seed))[f"test/{protocol}/balanced_accuracy"][1])


def test_difference_is_scipys_paired_test_and_interval() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=8), rng.normal(size=8)
    found, peer = difference(one - other), stats.ttest_rel(one, other)
    interval = peer.confidence_interval(LEVEL)
    assert (found.pairs, found.p) == (8, pytest.approx(peer.pvalue, rel=1e-12))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


@pytest.mark.parametrize(("given", "pairs"), [([], 0), ([0.1], 1), ([0.1, 0.1, 0.1], 3), ([math.nan, 0.2], 1)])
def test_what_cannot_be_tested_has_no_p(given: list[float], pairs: int) -> None:
    found = difference(given)
    assert (found.pairs, math.isnan(found.p)) == (pairs, True)


def test_holm_is_the_rule_as_published_and_leaves_nan_out() -> None:
    raw = [0.01, math.nan, 0.04, 0.03, 0.5]
    # Ascending: the smallest times 4, the next times 3, ..., never below the one before.
    assert holm(raw) == pytest.approx([0.04, math.nan, 0.09, 0.09, 0.5], nan_ok=True)
    assert holm([]) == []


def test_differences_are_paired_by_seed_and_the_mean_is_tested_against_all_methods() -> None:
    memory = Memory()
    add_whole_study(memory, ("random_init", "byol", "byol_tracin"), seeds=3)
    add_whole_study(memory, ("byol_cosine",), seeds=5)  # two seeds have no partner
    evidence = evidence_of(memory)
    table = differences(evidence.study, evidence.points)
    raw = {}
    for method in ("random_init", "byol_tracin", "byol_cosine"):
        gain = np.array([values(method, seed, "linear") - values("byol", seed, "linear") for seed in range(3)])
        rows = table[(table["protocol"] == "linear") & (table["method"] == method)].set_index("percent")
        assert rows["mean"].to_list() == pytest.approx([*gain.mean(axis=0), gain.mean()])
        assert set(rows["seeds"]) == {3}
        assert rows["p"].drop(MEAN).isna().all()
        raw[method] = stats.ttest_1samp(gain.mean(axis=1), 0).pvalue
        assert rows.loc[MEAN, "p"] == pytest.approx(raw[method])
        told = dict(pair.split(":") for pair in rows.loc[MEAN, "each"].split())
        assert {int(seed): float(value) for seed, value in told.items()} == pytest.approx(
            dict(enumerate(gain.mean(axis=1))), rel=1e-5
        )
    tested = table[(table["protocol"] == "linear") & (table["percent"] == MEAN)].set_index("method")["p_holm"]
    order = sorted(raw, key=lambda method: raw[method])
    adjusted = np.maximum.accumulate([min(1.0, raw[method] * (3 - rank)) for rank, method in enumerate(order)])
    assert [tested[method] for method in order] == pytest.approx(list(adjusted))


def test_a_missing_fraction_leaves_no_mean_and_a_variant_is_not_compared() -> None:
    memory = Memory()
    add_whole_study(memory, ("byol", "byol_cosine"), seeds=2)
    for seed in range(2):
        points = metrics(config("byol_tracin", seed))
        if seed:
            for rows in points["test/linear/balanced_accuracy"]:
                rows.pop()
        add(memory, config("byol_tracin", seed), points=points)
        add(memory, config("byol_tracin", seed, tracin__normalize="dot"))
    made = comparisons.make(evidence_of(memory))
    assert made is not None
    rows = made.data[(made.data["method"] == "byol_tracin") & (made.data["protocol"] == "linear")]
    assert set(rows["label"]) == {"BYOL + TracIn"}
    assert dict(zip(rows["percent"], rows["seeds"], strict=True)) == {1.0: 2, 10.0: 2, 50.0: 2, 100.0: 1, MEAN: 1}
    assert "Of a method that was run with several settings" in made.caption


def test_without_byol_nothing_is_compared_and_without_random_weights_nothing_is_relative() -> None:
    memory = Memory()
    add_whole_study(memory, ("simclr", "byol_tracin"), seeds=2)
    evidence = evidence_of(memory)
    assert [artefact.make(evidence) for artefact in (comparisons, paired_differences, over_random)] == [None] * 3


def test_relative_improvement_is_by_seed() -> None:
    memory = Memory()
    add_whole_study(memory, ("random_init", "byol_tracin"), seeds=3)
    made = over_random.make(evidence_of(memory))
    assert made is not None
    ratios = [values("byol_tracin", seed, "knn") / values("random_init", seed, "knn") - 1 for seed in range(3)]
    rows = made.data[made.data["protocol"] == "knn"].sort_values("percent")
    assert rows["mean"].to_list() == pytest.approx(np.mean(ratios, axis=0))
    assert set(made.data["method"]) == {"byol_tracin"}
