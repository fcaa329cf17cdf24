"""Partner statistics against plain loops over images."""

import pytest
import torch

from repro.pretrain.diagnostics import PartnerStatistics, feature_std
from repro.pretrain.selectors import SELECTORS, choose
from tests.pretrain.test_selectors import batch_of


@pytest.mark.parametrize("multi_label", [False, True])
def test_means_equal_a_loop_over_images(multi_label: bool):
    torch.manual_seed(5)
    labels = [torch.randint(0, 2, (24, 3)) if multi_label else torch.randint(0, 3, (24,)) for _ in range(4)]
    batches = [batch_of(24, seed, labels[seed]) for seed in range(4)]
    statistics = PartnerStatistics(None, 3, exclude_group=True)
    for batch in batches:
        statistics.add(batch)

    hits, chances, classes, degrees, mutual = [], [], [], [], []
    for batch in batches:
        allowed = batch.allowed(True)
        partner, _ = choose(SELECTORS["tracin_cosine"](batch), allowed)
        degrees.append(max(partner.tolist().count(j) for j in range(24)))
        for i in range(24):
            others = [j for j in range(24) if i // 2 != j // 2]
            hits.append(float(batch.same_label[i, partner[i]]))
            chances.append(sum(float(batch.same_label[i, j]) for j in others) / len(others))
            classes.append([c for c in range(3) if (batch.labels[i, c] if multi_label else batch.labels[i] == c)])
            mutual.append(float(partner[partner[i]] == i))

    def macro(values: list[float]) -> float:
        by_class = [[v for v, member in zip(values, classes, strict=True) if c in member] for c in range(3)]
        return sum(sum(v) / len(v) for v in by_class) / 3

    means = statistics.means()
    assert means["tracin_cosine/same_label"] == pytest.approx(sum(hits) / 96)
    assert means["tracin_cosine/same_label_macro"] == pytest.approx(macro(hits))
    assert means["chance"] == pytest.approx(sum(chances) / 96)
    assert means["chance_macro"] == pytest.approx(macro(chances))
    assert means["tracin_cosine/hub_max"] == pytest.approx(sum(degrees) / 4)
    assert means["tracin_cosine/mutual"] == pytest.approx(sum(mutual) / 96)
    assert means["cosine/agrees_with_cosine"] == 1.0


def test_the_partners_returned_are_those_of_the_selector_that_trains():
    batch = batch_of()
    partner, _ = PartnerStatistics("tracin_dot", 3, exclude_group=False).add(batch)
    assert torch.equal(partner, choose(SELECTORS["tracin_dot"](batch), batch.allowed(False))[0])


def test_feature_std_is_one_for_isotropic_features_and_zero_when_collapsed():
    torch.manual_seed(0)
    assert float(feature_std(torch.randn(4000, 64))) == pytest.approx(1.0, abs=0.01)
    assert float(feature_std(torch.randn(1, 64).expand(100, 64))) == pytest.approx(0.0, abs=1e-5)
