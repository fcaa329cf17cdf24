"""Memory banks against a plain list."""

import pytest
import torch
from lightly.models.modules import NNMemoryBankModule

from repro.configs.resolve import resolve
from repro.pretrain.bank import NeighbourBank, PartnerBank
from repro.pretrain.byol import Outputs
from repro.pretrain.gradients.last_layer import LastLayer
from repro.pretrain.selectors import Batch, Members
from repro.pretrain.trainer import Trainer
from tests.pretrain.sharing import CPU, images
from tests.pretrain.test_loop import SMALL


def batch_of(position: range, labels: torch.Tensor, views: int = 2) -> Batch:
    n = len(position)
    t = torch.randn(2, n, 4)
    members = Members(torch.tensor(position), labels, torch.tensor(position) // 3)
    last = LastLayer(torch.randn(views, n, 5), torch.randn(views, n, 4))
    return Batch(Outputs(t, t, t, t), members, torch.eye(n), torch.Generator(), last=last)


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("views", [0, 1, 2])
def test_bank_gives_back_the_latest_images_with_their_views_labels_groups_and_gradients(labels: int, views: int):
    bank, kept = PartnerBank(12, 4, labels, (views, 5, 4) if views else (0, 0, 0)), {}
    for start in (0, 6, 12, 110_000):
        made = torch.randint(0, 2, (6, labels) if labels else (6,))
        batch = batch_of(range(start, start + 6), made, views)
        bank.add(batch)
        for i, position in enumerate(batch.members.position.tolist()):
            kept[position] = (batch.out.t[:, i], made[i], position // 3, batch.last.a[:, i], batch.last.d[:, i])
    found = bank.candidates(grouped=True)
    assert sorted(found.members.position.tolist()) == [*range(12, 18), *range(110_000, 110_006)]
    for j, position in enumerate(found.members.position.tolist()):
        t, label, group, a, d = kept[position]
        assert (found.last is None) == (views == 0)
        if views:
            assert torch.equal(found.last.a[:, j], a)
            assert torch.equal(found.last.d[:, j], d)
        assert torch.equal(found.t[:, j], t)
        assert torch.equal(found.members.labels[j], label)
        assert found.members.groups[j] == group
    assert bank.candidates(grouped=False).members.groups is None


def test_places_not_yet_filled_are_marked():
    bank = PartnerBank(12, 4, 0)
    assert (bank.candidates(grouped=True).members.position == -1).all()
    bank.add(batch_of(range(5), torch.zeros(5, dtype=torch.long)))
    assert sorted(bank.candidates(grouped=True).members.position.tolist()) == [-1] * 7 + [0, 1, 2, 3, 4]


def test_a_batch_larger_than_the_bank_does_no_harm():
    bank = PartnerBank(4, 4, 0)
    bank.add(batch_of(range(9), torch.zeros(9, dtype=torch.long)))
    assert set(bank.candidates(grouped=True).members.position.tolist()) <= set(range(9))


def test_neighbour_bank_is_lightlys_but_part_of_the_state():
    ours, peer = NeighbourBank(20, 4), NNMemoryBankModule((20, 4))
    peer.bank = ours.bank.clone()
    for _ in range(5):
        z = torch.randn(6, 4)
        assert torch.equal(ours(z, update=True), peer(z, update=True))
    again = NeighbourBank(20, 4)
    again.load_state_dict(ours.state_dict())
    z = torch.randn(6, 4)
    assert torch.equal(ours(z, update=True), again(z, update=True))
    assert torch.equal(ours.bank, again.bank)
    assert not peer.state_dict()


def test_the_loss_takes_partners_as_the_bank_was_before_the_batch_took_their_places(monkeypatch: pytest.MonkeyPatch):
    # As many places as images in a batch: each batch takes the place of all before it.
    settings = {**SMALL, "pretrain.warmup_epochs": 0, "selector.queue": 16}
    trainer = Trainer(images(), resolve(["byol_queue"], settings), CPU, ())
    trainer.begin_epoch(3)
    objective = trainer.objective
    used, terms = [], objective.terms
    monkeypatch.setattr(
        objective, "terms", lambda out, partners: used.append(partners.t.clone()) or terms(out, partners)
    )
    torch.manual_seed(0)
    for step in range(3):
        before = objective.bank.candidates(grouped=False).t.clone()
        trainer.step(*torch.randn(2, 16, 3, 28, 28), trainer.members(torch.arange(16 * step, 16 * step + 16)), step)
        assert torch.equal(used[step], before)
        assert not torch.equal(objective.bank.candidates(grouped=False).t, before)
