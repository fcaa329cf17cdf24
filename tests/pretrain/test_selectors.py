"""Selectors: who may be a partner, and what each of them looks for."""

import pytest
import torch

from repro.pretrain.byol import Outputs
from repro.pretrain.selectors import SELECTORS, Batch, choose


def batch_of(n: int = 24, seed: int = 0, labels: torch.Tensor | None = None) -> Batch:
    torch.manual_seed(seed)
    out = Outputs(torch.randn(2, n, 8), torch.randn(2, n, 12).relu(), torch.randn(2, n, 8))
    labels = torch.randint(0, 3, (n,)) if labels is None else labels
    return Batch(out, labels, torch.arange(n) // 2, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("exclude_group", [False, True])
def test_partner_is_never_the_image_itself_nor_of_its_group_if_excluded(name: str, exclude_group: bool):
    batch = batch_of()
    partner, has_partner = choose(SELECTORS[name](batch), batch.allowed(exclude_group))
    assert has_partner.all()
    for i, j in enumerate(partner.tolist()):
        assert i != j
        assert not (exclude_group and i // 2 == j // 2)


@pytest.mark.parametrize("name", SELECTORS)
def test_partner_has_the_highest_score_of_the_others(name: str):
    batch = batch_of()
    scores = SELECTORS[name](batch)
    partner, _ = choose(scores, batch.allowed(False))
    for i, j in enumerate(partner.tolist()):
        assert all(scores[i, j] >= scores[i, k] for k in range(24) if k != i)


def test_an_image_whose_group_fills_the_batch_has_no_partner():
    batch = Batch(batch_of(2).out, torch.tensor([0, 1]), torch.tensor([7, 7]), torch.Generator())
    partner, has_partner = choose(SELECTORS["cosine"](batch), batch.allowed(True))
    assert partner.tolist() == [0, 1]
    assert has_partner.tolist() == [False, False]


def test_oracle_takes_the_same_label_whenever_there_is_one():
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    for seed in range(20):
        batch = batch_of(6, seed, labels)
        partner, _ = choose(SELECTORS["oracle"](batch), batch.allowed(False))
        assert (labels[partner] == labels)[:5].all()


def test_random_partners_are_spread_evenly_over_the_others():
    counts = torch.zeros(5, 5)
    batch = batch_of(5)
    for _ in range(4000):
        partner, _ = choose(SELECTORS["random"](batch), batch.allowed(False))
        counts[torch.arange(5), partner] += 1
    expected = 1000 * (1 - torch.eye(5))
    assert float((counts - expected).abs().max()) < 150  # 5 standard deviations


def test_cosine_score_is_the_mean_over_the_four_pairs_of_views():
    batch = batch_of(6)
    t = batch.out.t
    slow = torch.stack(
        [torch.nn.functional.cosine_similarity(t[u][:, None], t[w][None], dim=-1) for u in (0, 1) for w in (0, 1)]
    )
    torch.testing.assert_close(SELECTORS["cosine"](batch), slow.mean(dim=0), rtol=1e-5, atol=1e-6)


def test_labels_do_not_change_who_is_chosen_unless_the_selector_is_the_oracle():
    for name in ("random", "cosine", "tracin_cosine", "tracin_dot"):
        chosen = [
            choose(SELECTORS[name](batch), batch.allowed(False))[0]
            for batch in (batch_of(12, 3, torch.zeros(12, dtype=torch.long)), batch_of(12, 3, torch.arange(12)))
        ]
        # batch_of seeds its outputs, so only the labels differ.
        assert torch.equal(*chosen), name


def test_several_labels_are_alike_if_they_share_one_or_if_both_are_empty():
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]])
    same = batch_of(5, labels=labels).same_label
    for i in range(5):
        for j in range(5):
            shared = bool((labels[i] & labels[j]).any())
            empty = not labels[i].any() and not labels[j].any()
            assert bool(same[i, j]) == (shared or empty)
