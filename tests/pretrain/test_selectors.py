"""Selectors: who may be a partner, and what each of them looks for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from repro.configs.resolve import resolve
from repro.errors import InputError
from repro.pretrain.bank import PartnerBank
from repro.pretrain.byol import Outputs
from repro.pretrain.gradients.last_layer import LastLayer
from repro.pretrain.selectors import SELECTORS, Batch, Candidates, Members, candidates_of, choose, scored, used_selector
from repro.pretrain.tracin import last_layer, last_layer_kernel

IN_BATCH = [name for name, selector in SELECTORS.items() if selector.in_batch]


def batch_of(n: int = 24, seed: int = 0, labels: torch.Tensor | None = None) -> Batch:
    """A random batch; images 2i and 2i + 1 are of one group; its bank holds other images of the same groups."""
    torch.manual_seed(seed)
    out = Outputs(torch.randn(2, n, 8), torch.randn(2, n, 12).relu(), torch.randn(2, n, 8), torch.randn(2, n, 8))
    labels = torch.randint(0, 3, (n,)) if labels is None else labels
    members = Members(torch.arange(n), labels, torch.arange(n) // 2)
    # The bank begins with three images that are in the batch too, as when an epoch has just ended.
    position = torch.tensor([*range(3), *range(100, 100 + n), -1, -1])
    kept = Members(position, torch.randint(0, 2, (n + 5, *labels.shape[1:])), position // 2)
    gradients = LastLayer(torch.randn(2, n + 5, 12).relu(), torch.randn(2, n + 5, 8))
    bank = Candidates(torch.randn(2, n + 5, 8), kept, gradients)
    generator = torch.Generator().manual_seed(seed)
    return Batch(out, members, last_layer_kernel(out), generator, bank, {"error": 0.0}, last_layer(out))


def partners_of(batch: Batch, name: str, exclude_group: bool = False, k: int = 1):
    candidates = SELECTORS[name].candidates(batch)
    allowed = batch.allowed(candidates.members, exclude_group)
    return choose(SELECTORS[name].scores(batch), allowed, candidates, k)


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (torch.zeros(12), r"torch.float32 \[12\]"),
        (torch.zeros(12, 12, dtype=torch.int64), r"torch.int64 \[12, 12\]"),
        (np.zeros((12, 12)), "ndarray"),
        (None, "NoneType"),
    ],
)
def test_scores_of_ones_own_selector_that_are_no_matrix_of_floats_are_refused_with_its_file(
    found: Any, what: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("repro.pretrain.selectors.cosine.scores", lambda batch: found)
    with pytest.raises(InputError, match=rf"the selector cosine: its scores are {what}, not .* correct .*cosine\.py"):
        scored("cosine", batch_of(), torch.Size((12, 12)))


def test_candidates_of_ones_own_selector_that_do_not_fit_together_are_refused_with_its_file(
    monkeypatch: pytest.MonkeyPatch,
):
    batch = batch_of(12)
    fewer = replace(batch.own, t=batch.out.t[:, :5])
    monkeypatch.setattr("repro.pretrain.selectors.queue.candidates", lambda batch: fewer)
    with pytest.raises(InputError, match=r"the selector queue: .* of 5 images, but 12 members; correct .*queue\.py"):
        candidates_of("queue", batch)


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("exclude_group", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_partner_is_never_the_image_itself_nor_of_its_group_if_excluded(name: str, exclude_group: bool, k: int):
    batch = batch_of()
    theirs = SELECTORS[name].candidates(batch).members
    partners = partners_of(batch, name, exclude_group, k)
    assert partners.valid.all()
    for i, chosen in enumerate(partners.index.tolist()):
        assert len(set(chosen)) == k
        for j in chosen:
            assert theirs.position[j] not in (i, -1)
            assert not (exclude_group and theirs.groups[j] == i // 2)


@pytest.mark.parametrize("name", SELECTORS)
def test_partners_have_the_highest_scores_of_those_allowed(name: str):
    batch = batch_of()
    candidates = SELECTORS[name].candidates(batch)
    allowed, scores = batch.allowed(candidates.members, True), SELECTORS[name].scores(batch)
    partners = choose(scores, allowed, candidates, 3)
    for i in range(24):
        best = sorted((float(s) for s, a in zip(scores[i], allowed[i], strict=True) if a), reverse=True)[:3]
        assert scores[i, partners.index[i]].tolist() == best
    assert torch.equal(choose(scores, allowed, candidates).index, partners.index[:, :1])


def test_several_partners_are_fewer_where_fewer_are_allowed():
    batch = batch_of(4)
    partners = partners_of(batch, "cosine", exclude_group=True, k=3)
    assert partners.valid.sum(dim=1).tolist() == [2, 2, 2, 2]
    assert partners_of(batch, "cosine", k=9).valid.sum(dim=1).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("n", [1, 2])
def test_an_image_alone_with_its_group_has_no_partner(n: int):
    batch = batch_of(n)
    for name in IN_BATCH:
        assert not partners_of(batch, name, exclude_group=True).valid.any()


def test_an_empty_bank_has_no_partner_to_give():
    batch = batch_of(6)
    empty = Batch(
        batch.out, batch.members, batch.kernel, batch.generator, PartnerBank(10, 8, 0).candidates(grouped=True)
    )
    assert not partners_of(empty, "queue").valid.any()
    empty = replace(batch, bank=PartnerBank(10, 8, 0, (2, 12, 8)).candidates(grouped=True))
    assert not partners_of(empty, "tracin_bank").valid.any()


@pytest.mark.parametrize("name", IN_BATCH)
def test_an_image_that_is_twice_in_a_batch_is_not_its_own_partner(name: str):
    batch = batch_of(12)
    twice = torch.arange(12) // 2 * 2  # images 2i and 2i + 1 are the same one
    out = Outputs(*(x[:, twice] for x in (batch.out.p, batch.out.a, batch.out.z, batch.out.t)))
    members = Members(twice, batch.members.labels[twice], None)
    partners = partners_of(replace(batch, out=out, members=members, kernel=last_layer_kernel(out)), name)
    assert partners.valid.all()
    for i, (j,) in enumerate(partners.index.tolist()):
        assert i // 2 != j // 2


def test_of_equal_scores_the_first_is_taken():
    batch = batch_of(6)
    allowed = batch.allowed(batch.members, False)
    assert choose(torch.zeros(6, 6), allowed, batch.own).index[:, 0].tolist() == [1, 0, 0, 0, 0, 0]
    assert choose(torch.zeros(6, 6), allowed, batch.own, 2).index[3].tolist() == [0, 1]


def test_oracle_takes_the_same_label_whenever_there_is_one():
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    for seed in range(20):
        partner = partners_of(batch_of(6, seed, labels), "oracle").index[:, 0]
        assert (labels[partner] == labels)[:5].all()


LABELS = {
    "one": torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]),
    "several": torch.tensor([[1, 0], [1, 1], [0, 1], [0, 0], [0, 0], [1, 0], [0, 1], [0, 0]]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("k", [1, 2])
def test_an_oracle_that_errs_chooses_as_a_slow_loop_does(labels: torch.Tensor, k: int):
    for seed in range(20):
        batch = replace(batch_of(8, seed, labels), settings={"error": 0.5})
        again = torch.Generator().manual_seed(seed)
        drawn, errs = torch.rand(8, 8, generator=again), torch.rand(8, generator=again) < 0.5
        partners = partners_of(batch, "oracle", exclude_group=True, k=k).index
        for i in range(8):
            others = [j for j in range(8) if j // 2 != i // 2]
            same = {j: bool(batch.same_label(batch.members)[i, j]) for j in others}
            wanted = [j for j in others if same[j] != bool(errs[i])]
            rest = [j for j in others if j not in wanted]
            best = [
                j for group in (wanted, rest) for j in sorted(group, key=lambda j: float(drawn[i, j]), reverse=True)
            ]
            assert partners[i].tolist() == best[:k]


@pytest.mark.parametrize("error", [0.25, 0.5, 1.0])
def test_the_share_of_right_partners_is_one_less_the_error_where_both_kinds_are_there(error: float):
    right, batch = 0, replace(batch_of(8, labels=torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])), settings={"error": error})
    same = batch.same_label(batch.members)
    for _ in range(1000):
        partner = partners_of(batch, "oracle").index
        right += int(same.gather(1, partner).sum())
    assert right / 8000 == pytest.approx(1 - error, abs=5 * (error * (1 - error) / 8000) ** 0.5)


def test_an_oracle_without_error_draws_what_it_always_drew():
    batch = batch_of(12)
    scores, after = SELECTORS["oracle"].scores(batch), torch.rand(1, generator=batch.generator)
    again = torch.Generator().manual_seed(0)
    assert torch.equal(scores, torch.rand(12, 12, generator=again) + batch.same_label(batch.members))
    assert torch.equal(after, torch.rand(1, generator=again))


@pytest.mark.parametrize("views", [1, 2])
def test_scores_of_the_gradient_bank_are_products_of_gradients_built_one_by_one(views: int):
    batch = batch_of(6)
    batch = replace(
        batch,
        last=LastLayer(*(x[:views].double() for x in (batch.last.a, batch.last.d))),
        bank=replace(batch.bank, last=LastLayer(*(x[:views].double() for x in (batch.bank.last.a, batch.bank.last.d)))),
    )

    def gradients(layer: LastLayer) -> torch.Tensor:
        rows = []
        for i in range(layer.a.shape[1]):
            weight = sum(torch.outer(layer.d[u, i], layer.a[u, i]) for u in range(views))
            rows.append(torch.cat([weight.flatten(), layer.d[:, i].sum(dim=0)]))
        return torch.stack(rows)

    own, theirs = gradients(batch.last), gradients(batch.bank.last)
    dot = SELECTORS["tracin_bank"].scores(replace(batch, normalize="dot"))
    torch.testing.assert_close(dot, own @ theirs.T, rtol=1e-9, atol=1e-12)
    cosine = SELECTORS["tracin_bank"].scores(batch)
    expected = torch.nn.functional.cosine_similarity(own[:, None], theirs[None], dim=-1)
    torch.testing.assert_close(cosine, expected, rtol=1e-9, atol=1e-12)


def test_random_partners_are_spread_evenly_over_the_others():
    counts = torch.zeros(5, 5)
    batch = batch_of(5)
    for _ in range(4000):
        counts[torch.arange(5), partners_of(batch, "random").index[:, 0]] += 1
    expected = 1000 * (1 - torch.eye(5))
    assert float((counts - expected).abs().max()) < 150  # 5 standard deviations


@pytest.mark.parametrize("name", ["cosine", "queue"])
def test_cosine_score_is_the_mean_over_the_four_pairs_of_views(name: str):
    batch = batch_of(6)
    own, theirs = batch.out.t, SELECTORS[name].candidates(batch).t
    slow = torch.stack(
        [
            torch.nn.functional.cosine_similarity(own[u][:, None], theirs[w][None], dim=-1)
            for u in (0, 1)
            for w in (0, 1)
        ]
    )
    torch.testing.assert_close(SELECTORS[name].scores(batch), slow.mean(dim=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in SELECTORS if name != "oracle"])
def test_labels_do_not_change_who_is_chosen_unless_the_selector_is_the_oracle(name: str):
    # batch_of seeds its outputs, so only the labels differ.
    labellings = (torch.zeros(12, dtype=torch.long), torch.arange(12))
    assert torch.equal(*(partners_of(batch_of(12, 3, labels), name).index for labels in labellings))


def test_several_labels_are_alike_if_they_share_one_or_if_both_are_empty():
    labels = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]])
    batch = batch_of(5, labels=labels)
    same = batch.same_label(batch.members)
    for i in range(5):
        for j in range(5):
            shared = bool((labels[i] & labels[j]).any())
            empty = not labels[i].any() and not labels[j].any()
            assert bool(same[i, j]) == (shared or empty)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"selector.name": "cosin"}, "Did you mean 'cosine'"),
        ({"selector.name": "tracin_dot_product"}, "no selector"),
        ({"selector.measured": ["orakel"]}, "Did you mean 'oracle'"),
        ({"selector.name": "queue", "selector.symmetric": True}, "partners that are in the batch"),
        ({"selector.name": "queue", "selector.mutual": True}, "selector.mutual=True needs partners that are in the"),
        ({"selector.name": "tracin_bank", "selector.mutual": True}, "which those of tracin_bank are not"),
        ({"selector.name": "tracin_bank", "tracin.layers": "heads"}, r"not those of tracin\.layers=heads"),
        ({"selector.measured": ["tracin_bank"], "tracin.layers": "full"}, r"set tracin\.layers=last"),
        ({"selector.name": "tracin_bank", "tracin.source": "pretrained"}, r"tracin\.source=online"),
        ({"selector.name": "tracin_banc"}, "Did you mean 'tracin_bank'"),
        ({"selector.name": "tracin", "selector.error": 0.5}, r"selector\.error=0\.5 is for selector\.name=oracle"),
        ({"selector.error": 0.5}, "not for none"),
    ],
)
def test_a_selector_that_cannot_be_is_refused(settings: dict, says: str):
    with pytest.raises(InputError, match=says):
        used_selector(resolve(["byol"], settings))


def test_every_selector_of_the_configs_is_there():
    for name, key in {"byol": None, "byol_random": "random", "byol_cosine": "cosine", "byol_queue": "queue",
                      "byol_tracin": "tracin_cosine", "byol_oracle": "oracle"}.items():  # fmt: skip
        assert used_selector(resolve([name])) == key
    assert used_selector(resolve(["byol_tracin"], {"tracin.normalize": "dot"})) == "tracin_dot"
