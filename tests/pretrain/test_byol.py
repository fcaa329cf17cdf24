"""BYOL's pieces against peers, closed forms and slow loops."""

import copy
import math

import pytest
import torch

from repro.pretrain.byol import Byol, Outputs, Partners, distance, image_losses, partner_losses, tau_at, tau_for
from repro.pretrain.encoder import Encoder


@pytest.fixture
def outputs() -> Outputs:
    torch.manual_seed(0)
    return Outputs(torch.randn(2, 6, 8), torch.randn(2, 6, 4), torch.randn(2, 6, 8), torch.randn(2, 6, 8))


def test_distance_agrees_with_lightlys_negative_cosine(outputs: Outputs):
    from lightly.loss import NegativeCosineSimilarity

    ours = distance(outputs.p[0], outputs.t[1]).mean()
    assert float(ours) == pytest.approx(2 + 2 * float(NegativeCosineSimilarity()(outputs.p[0], outputs.t[1])), rel=1e-6)


def test_each_view_is_predicted_from_the_other(outputs: Outputs):
    for i in range(6):
        slow = 0.0
        for u in (0, 1):
            p, t = outputs.p[u, i], outputs.t[1 - u, i]
            slow += 2 - 2 * float(p @ t) / float(p.norm() * t.norm())
        assert float(image_losses(outputs)[i]) == pytest.approx(slow, rel=1e-5)


def test_one_view_is_the_first_ones_prediction_alone(outputs: Outputs):
    torch.testing.assert_close(image_losses(outputs, views=1), distance(outputs.p[0], outputs.t[1]))


def pair_loss(out: Outputs, i: int, j: int) -> float:
    """Image i's two predictions against image j's targets, number by number."""
    total = 0.0
    for u in (0, 1):
        p, t = out.p[u, i], out.t[1 - u, j]
        total += 2 - 2 * float(p @ t) / float(p.norm() * t.norm())
    return total


def test_partner_loss_is_that_of_the_partners_targets(outputs: Outputs):
    index = torch.tensor([3, 2, 0, 5, 1, 4])
    losses = partner_losses(outputs, Partners(outputs.t, index[:, None], torch.ones(6, 1, dtype=torch.bool)))
    for i, j in enumerate(index.tolist()):
        assert float(losses[i]) == pytest.approx(pair_loss(outputs, i, j), rel=1e-5)


def test_several_partners_count_as_their_mean_and_missing_ones_not_at_all(outputs: Outputs):
    index = torch.tensor([[3, 4], [2, 0], [0, 1], [5, 5], [1, 2], [4, 4]])
    valid = torch.tensor([[1, 1], [1, 1], [1, 1], [1, 0], [0, 1], [0, 0]], dtype=torch.bool)
    losses = partner_losses(outputs, Partners(outputs.t, index, valid))
    for i in range(6):
        each = [pair_loss(outputs, i, int(j)) for j, v in zip(index[i], valid[i], strict=True) if v]
        assert float(losses[i]) == pytest.approx(sum(each) / max(1, len(each)), rel=1e-5)


def test_a_symmetric_pull_goes_both_ways(outputs: Outputs):
    index = torch.tensor([3, 2, 0, 5, 1, 4])
    partners = Partners(outputs.t, index[:, None], torch.ones(6, 1, dtype=torch.bool))
    losses = partner_losses(outputs, partners, symmetric=True)
    for i, j in enumerate(index.tolist()):
        both = (pair_loss(outputs, i, j) + pair_loss(outputs, j, i)) / 2
        assert float(losses[i]) == pytest.approx(both, rel=1e-5)


def test_partners_from_a_memory_bank_give_their_own_targets(outputs: Outputs):
    bank = torch.randn(2, 9, 8)
    index = torch.tensor([8, 0, 3, 3, 7, 1])
    losses = partner_losses(outputs, Partners(bank, index[:, None], torch.ones(6, 1, dtype=torch.bool)))
    swapped = Outputs(outputs.p, outputs.a, outputs.z, bank[:, index])
    torch.testing.assert_close(losses, image_losses(swapped))


def test_target_moves_by_one_minus_tau_and_gets_no_gradient():
    model = Byol(Encoder("resnet18", "imagenet", 4), 16, 8)
    before = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in (*model.encoder.parameters(), *model.projector.parameters()):
            parameter.add_(torch.randn_like(parameter))
    model.update_target(0.9)
    pairs = ((model.target_encoder, model.encoder, before.target_encoder),
             (model.target_projector, model.projector, before.target_projector))  # fmt: skip
    for target, online, old in pairs:
        for t, o, b in zip(target.parameters(), online.parameters(), old.parameters(), strict=True):
            torch.testing.assert_close(t, 0.9 * b + 0.1 * o)
            assert not t.requires_grad
    out = model(torch.randn(4, 3, 28, 28), torch.randn(4, 3, 28, 28))
    image_losses(out).mean().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    assert all(p.grad is None for p in model.target_encoder.parameters())


def test_tau_rises_from_its_base_to_one_along_a_cosine():
    assert tau_at(0, 100, 0.99) == pytest.approx(0.99)
    assert tau_at(100, 100, 0.99) == pytest.approx(1.0)
    assert tau_at(25, 100, 0.9) == pytest.approx(1 - 0.1 * (math.cos(math.pi / 4) + 1) / 2)


def test_tau_is_lightlys_cosine_schedule():
    from lightly.utils.scheduler import cosine_schedule

    for step in range(100):  # lightly reaches the end one step earlier: at the last one, not after it
        assert tau_at(step, 99, 0.996) == pytest.approx(cosine_schedule(step, 100, 0.996, 1.0), abs=1e-12)


@pytest.mark.parametrize(("renewals", "steps"), [(50, 810), (188, 12_520), (3, 40)])
def test_the_target_is_replaced_as_often_as_is_asked_whatever_the_length_of_the_schedule(renewals: float, steps: int):
    tau = tau_for(renewals, steps)
    assert sum(1 - tau_at(step, steps, tau) for step in range(steps)) == pytest.approx(renewals, rel=0.03)


def test_more_renewals_than_a_schedule_has_steps_for_make_the_target_a_copy_at_first():
    assert tau_for(100, 10) == 0.0
