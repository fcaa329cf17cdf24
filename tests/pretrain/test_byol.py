"""BYOL's pieces against peers, closed forms and slow loops."""

import copy
import math

import pytest
import torch

from repro.pretrain.byol import Byol, Outputs, distance, image_losses, partner_losses, tau_at
from repro.pretrain.encoder import Encoder


@pytest.fixture
def outputs() -> Outputs:
    torch.manual_seed(0)
    return Outputs(torch.randn(2, 6, 8), torch.randn(2, 6, 4), torch.randn(2, 6, 8))


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


def test_partner_loss_is_the_image_loss_with_the_partners_target(outputs: Outputs):
    partner = torch.tensor([3, 2, 0, 5, 1, 4])
    swapped = Outputs(outputs.p, outputs.a, outputs.t[:, partner])
    torch.testing.assert_close(partner_losses(outputs, partner), image_losses(swapped))
    torch.testing.assert_close(partner_losses(outputs, torch.arange(6)), image_losses(outputs))


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
    assert all(p.grad is not None for _, p in model.online_parameters())
    assert all(p.grad is None for p in model.target_encoder.parameters())


def test_tau_rises_from_its_base_to_one_along_a_cosine():
    assert tau_at(0, 100, 0.99) == pytest.approx(0.99)
    assert tau_at(100, 100, 0.99) == pytest.approx(1.0)
    assert tau_at(25, 100, 0.9) == pytest.approx(1 - 0.1 * (math.cos(math.pi / 4) + 1) / 2)
