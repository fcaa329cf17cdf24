"""Partner statistics against plain loops over images."""

import math
from dataclasses import replace

import pytest
import torch

from repro.errors import InputError
from repro.pretrain.diagnostics import PartnerStatistics, feature_std
from repro.pretrain.selectors import SELECTORS, Batch, choose
from tests.pretrain.test_selectors import batch_of, partners_of

MEASURED = ("tracin_cosine", "cosine", "queue")


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_means_equal_a_loop_over_images(multi_label: bool, k: int):
    torch.manual_seed(5)
    labels = [torch.randint(0, 2, (24, 3)) if multi_label else torch.randint(0, 3, (24,)) for _ in range(4)]
    batches = [batch_of(24, seed, labels[seed]) for seed in range(4)]
    statistics = PartnerStatistics("tracin_cosine", MEASURED, 3, exclude_group=True, k=k)
    for step, batch in enumerate(batches):
        statistics.add(batch, step)

    hits, queue_hits, chances, classes, degrees, mutual, agrees = [], [], [], [], [], [], []
    for batch in batches:
        same = batch.same_label(batch.members)
        partners = partners_of(batch, "tracin_cosine", exclude_group=True, k=k).index.tolist()
        nearest = partners_of(batch, "cosine", exclude_group=True).index.tolist()
        queued = partners_of(batch, "queue", exclude_group=True).index.tolist()
        degrees.append(max(sum(chosen.count(j) for chosen in partners) for j in range(24)))
        same_as_queue = batch.same_label(batch.bank.members)
        for i in range(24):
            others = [j for j in range(24) if i // 2 != j // 2]
            hits.append(sum(float(same[i, j]) for j in partners[i]) / k)
            queue_hits.append(float(same_as_queue[i, queued[i][0]]))
            chances.append(sum(float(same[i, j]) for j in others) / len(others))
            classes.append(
                [c for c in range(3) if (batch.members.labels[i, c] if multi_label else batch.members.labels[i] == c)]
            )
            mutual.append(sum(i in partners[j] for j in partners[i]) / k)
            agrees.append(float(nearest[i][0] in partners[i]))

    def macro(values: list[float]) -> float:
        by_class = [[v for v, member in zip(values, classes, strict=True) if c in member] for c in range(3)]
        return sum(sum(v) / len(v) for v in by_class) / 3

    means = statistics.means()
    assert means["tracin_cosine/same_label"] == pytest.approx(sum(hits) / 96)
    assert means["tracin_cosine/same_label_macro"] == pytest.approx(macro(hits))
    assert means["queue/same_label"] == pytest.approx(sum(queue_hits) / 96)
    assert means["chance"] == pytest.approx(sum(chances) / 96)
    assert means["chance_macro"] == pytest.approx(macro(chances))
    assert means["tracin_cosine/hub_max"] == pytest.approx(sum(degrees) / 4)
    assert means["tracin_cosine/mutual"] == pytest.approx(sum(mutual) / 96)
    assert means["tracin_cosine/agrees_with_cosine"] == pytest.approx(sum(agrees) / 96)
    assert means["cosine/agrees_with_cosine"] == 1.0
    assert "queue/mutual" not in means  # nobody in a bank chooses


def test_images_without_a_known_label_count_neither_as_right_nor_as_wrong():
    torch.manual_seed(6)
    labels = torch.randint(0, 3, (24,))
    labels[torch.randperm(24)[:9]] = -1
    batch = batch_of(24, 1, labels)
    statistics = PartnerStatistics("tracin_cosine", MEASURED, 3, exclude_group=False, k=3)
    statistics.add(batch, 0)
    partners = partners_of(batch, "tracin_cosine", exclude_group=False, k=3).index.tolist()
    hits, chances = [], []
    for i, own in enumerate(labels.tolist()):
        known = [labels[j] == own for j in partners[i] if labels[j] >= 0]
        others = [labels[j] == own for j in range(24) if j != i and labels[j] >= 0]
        if own >= 0 and known:
            hits.append(sum(known) / len(known))
        if own >= 0:
            chances.append(sum(others) / len(others))
    means = statistics.means()
    assert len(hits) < 24
    assert means["tracin_cosine/same_label"] == pytest.approx(float(sum(hits)) / len(hits))
    assert means["chance"] == pytest.approx(float(sum(chances)) / len(chances))
    assert not batch.same_label(batch.members)[labels < 0].any()


def test_selectors_that_do_not_train_are_measured_in_some_batches_and_the_last_of_the_epoch_is_one():
    batches = [batch_of(24, seed) for seed in range(5)]
    some, few, all_of_them = (
        PartnerStatistics("tracin_dot", MEASURED, 3, exclude_group=False, every=every, batches=5) for every in (2, 4, 1)
    )
    seen = []
    for step, batch in enumerate(batches):
        seen.append((some.all_due, few.all_due))
        chosen = [statistics.add(batch, step) for statistics in (some, few, all_of_them)]
        assert torch.equal(chosen[0].index, chosen[2].index)
        assert torch.equal(chosen[1].index, chosen[2].index)
    assert seen == [(True, True), (False, False), (True, False), (False, False), (True, True)]
    for statistics, measured in ((some, [0, 2, 4]), (few, [0, 4])):
        by_batch, expected = statistics.by_batch(), all_of_them.by_batch()
        assert by_batch.keys() == expected.keys()
        for name, values in expected.items():
            always = name.startswith(("tracin_dot", "chance", "gradient")) and not name.endswith("agrees_with_cosine")
            rows = range(5) if always else measured
            assert by_batch[name].isnan().tolist() == [row not in rows for row in range(5)], name
            assert torch.equal(by_batch[name][list(rows)], values[list(rows)]), name
            assert statistics.means()[name] == pytest.approx(float(values[list(rows)].double().mean())), name
        assert statistics.means()["chance_macro"] == all_of_them.means()["chance_macro"]
        assert statistics.latest.first.keys() == all_of_them.latest.first.keys()
        for name, places in all_of_them.latest.first.items():
            assert torch.equal(statistics.latest.first[name], places)


def test_the_partners_returned_are_those_of_the_selector_that_trains():
    batch = batch_of()
    chosen = PartnerStatistics("tracin_dot", MEASURED, 3, exclude_group=False).add(batch, 0)
    assert torch.equal(
        chosen.index,
        choose(SELECTORS["tracin_dot"].scores(batch), batch.allowed(batch.members, False), batch.own).index,
    )
    assert PartnerStatistics(None, MEASURED, 3, exclude_group=False).add(batch, 0) is None


def test_a_batch_without_any_partner_counts_for_nothing():
    alone, others = batch_of(2), batch_of(24)
    statistics, expected = (PartnerStatistics("cosine", ["cosine"], 3, exclude_group=True) for _ in range(2))
    assert not statistics.add(alone, 0).valid.any()
    statistics.add(others, 1)
    expected.add(others, 0)
    for name, value in expected.means().items():
        if "same_label" in name or "chance" in name or "mutual" in name:
            assert statistics.means()[name] == pytest.approx(value), name
    never = PartnerStatistics("cosine", ["cosine"], 3, exclude_group=True)
    never.add(batch_of(1), 0)
    assert math.isnan(never.means()["cosine/same_label"])
    assert never.means()["cosine/hub_max"] == 0


def test_places_without_a_partner_make_nobody_mutual():
    for seed in range(20):
        batch = batch_of(6, seed)
        statistics = PartnerStatistics("tracin_dot", [], 3, exclude_group=True, k=5)  # four at most are allowed
        partners = statistics.add(batch, 0)
        assert partners.valid.sum(dim=1).tolist() == [4] * 6
        # Everybody of another group is a partner, so all are mutual; the fifth place must count for nothing.
        assert statistics.means()["tracin_dot/mutual"] == 1.0
        alone = batch_of(4, seed)
        alone.members.groups[:] = torch.tensor([0, 0, 0, 1])
        lonely = PartnerStatistics("tracin_dot", [], 3, exclude_group=True, k=3)
        partners = lonely.add(alone, 0)
        chosen = [
            {int(j) for j, v in zip(*row, strict=True) if v} for row in zip(partners.index, partners.valid, strict=True)
        ]
        rates = [sum(i in chosen[j] for j in mine) / len(mine) for i, mine in enumerate(chosen) if mine]
        assert lonely.means()["tracin_dot/mutual"] == pytest.approx(sum(rates) / len(rates))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_reported_with_selector_and_first_step(bad: float):
    statistics = PartnerStatistics("cosine", ["tracin_cosine"], 3, exclude_group=False)
    batch = batch_of()
    broken = batch.out.t.clone()
    broken[0, 3, 1] = bad
    for step, out in enumerate([batch.out, batch.out, replace(batch.out, t=broken), replace(batch.out, t=broken)]):
        statistics.add(Batch(out, batch.members, batch.kernel, batch.generator), 40 + step)
    with pytest.raises(InputError, match="at step 43 the score of the selector cosine is not a finite number"):
        statistics.check()


def test_finite_scores_pass():
    statistics = PartnerStatistics("cosine", MEASURED, 3, exclude_group=False)
    statistics.add(batch_of(), 0)
    statistics.check()


def test_feature_std_is_one_for_isotropic_features_and_zero_when_collapsed():
    torch.manual_seed(0)
    assert float(feature_std(torch.randn(4000, 64))) == pytest.approx(1.0, abs=0.01)
    assert float(feature_std(torch.randn(1, 64).expand(100, 64))) == pytest.approx(0.0, abs=1e-5)
