"""Which partners train, against loops over images."""

import pytest
import torch

from repro.pretrain.byol import Partners
from repro.pretrain.diagnostics import PartnerStatistics
from repro.pretrain.filtering import Filter, confident, mutual
from repro.pretrain.selectors import SELECTORS, choose
from tests.pretrain.test_selectors import batch_of, partners_of

CONFIDENT = (0.25, 0.5, 0.9, 1.0)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("exclude_group", [False, True])
def test_mutual_partners_are_those_of_a_loop_over_pairs(k: int, exclude_group: bool):
    batch = batch_of(24)
    partners = partners_of(batch, "tracin_dot", exclude_group, k)
    chosen = partners.index.tolist()
    for i, found in enumerate(mutual(partners).tolist()):
        assert found == [i in chosen[j] for j in chosen[i]]


@pytest.mark.parametrize("quantile", CONFIDENT)
@pytest.mark.parametrize("name", ["cosine", "queue"])
def test_confident_images_have_a_best_score_not_below_the_quantile_of_all(quantile: float, name: str):
    batch = batch_of(24)
    candidates = SELECTORS[name].candidates(batch)
    scores, allowed = SELECTORS[name].scores(batch), batch.allowed(candidates.members, True)
    found = confident(choose(scores, allowed, candidates, 2), scores, quantile)
    best = [max(float(s) for s, a in zip(scores[i], allowed[i], strict=True) if a) for i in range(24)]
    ordered = sorted(best)
    place = quantile * 23  # numpy's and torch's: linear between the two nearest
    low, high = ordered[int(place)], ordered[min(23, int(place) + 1)]
    threshold = low + (place - int(place)) * (high - low)
    assert found.tolist() == [score >= threshold for score in best]


def test_images_without_a_partner_have_no_say_in_the_quantile_and_do_not_train():
    scores = torch.tensor([[0.0, 3.0, 9.0], [2.0, 0.0, 9.0], [9.0, 9.0, 0.0]])
    index, valid = torch.tensor([[1], [0], [0]]), torch.tensor([[True], [True], [False]])
    partners = Partners(torch.zeros(2, 3, 1), index, valid)
    assert confident(partners, scores, 0.5).tolist() == [True, False, False]
    assert confident(partners, scores, 0.0).tolist() == [True, True, False]
    nobody = Partners(torch.zeros(2, 3, 1), index, torch.zeros_like(valid))
    assert not confident(nobody, scores, 0.5).any()


def test_both_conditions_together_are_their_conjunction():
    batch = batch_of(24)
    scores = SELECTORS["cosine"].scores(batch)
    partners = partners_of(batch, "cosine")
    both = Filter(mutual=True, confidence=0.25).kept(partners, scores).valid
    assert torch.equal(both, mutual(partners) & confident(partners, scores, 0.25)[:, None])
    assert Filter().kept(partners, scores).valid.all()


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("filtered", [Filter(mutual=True), Filter(confidence=0.5)], ids=["mutual", "confidence"])
def test_the_label_rate_of_those_that_train_is_measured_beside_that_of_all(multi_label: bool, k: int, filtered: Filter):
    torch.manual_seed(2)
    labels = [torch.randint(0, 2, (24, 3)) if multi_label else torch.randint(0, 3, (24,)) for _ in range(3)]
    batches = [batch_of(24, seed, each) for seed, each in enumerate(labels)]
    some = PartnerStatistics("cosine", [], 3, exclude_group=True, k=k, filtered=filtered)
    every = PartnerStatistics("cosine", [], 3, exclude_group=True, k=k)
    hits: list[float] = []
    classes: list[list[int]] = []
    trained = []
    for step, batch in enumerate(batches):
        kept, chosen = some.add(batch, step), every.add(batch, step)
        assert torch.equal(kept.index, chosen.index)
        expected = filtered.kept(chosen, SELECTORS["cosine"].scores(batch))
        assert torch.equal(kept.valid, expected.valid)
        same, own = batch.same_label(batch.members), batch.members.labels
        for i in range(24):
            mine = [int(j) for j, valid in zip(kept.index[i], kept.valid[i], strict=True) if valid]
            trained.append(bool(mine))
            if mine:
                hits.append(sum(bool(same[i, j]) for j in mine) / len(mine))
                classes.append([c for c in range(3) if (own[i, c] if multi_label else own[i] == c)])
    found, usual = some.means(), every.means()
    assert usual.items() <= found.items()  # what is said of all partners stays
    assert {name for name in found if name not in usual} == {
        "cosine/trained", "cosine/trained_same_label", "cosine/trained_same_label_macro",
    }  # fmt: skip
    assert found["cosine/trained"] == pytest.approx(sum(trained) / len(trained))
    by_batch = some.by_batch()["cosine/trained_same_label"]
    counts = [sum(trained[24 * n : 24 * n + 24]) for n in range(3)]
    assert float((by_batch * torch.tensor(counts)).sum()) == pytest.approx(sum(hits), rel=1e-6)
    macro = [[h for h, of in zip(hits, classes, strict=True) if c in of] for c in range(3)]
    expected_macro = sum(sum(of) / len(of) for of in macro if of) / sum(bool(of) for of in macro)
    assert found["cosine/trained_same_label_macro"] == pytest.approx(expected_macro)
