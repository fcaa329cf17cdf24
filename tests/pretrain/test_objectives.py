"""Objectives against loops written with lightly's parts, and against loops over pairs of images."""

import contextlib
import copy
import math
from typing import Any

import pytest
import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead, NNMemoryBankModule
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn
from torch.nn import functional as F

from repro.configs.resolve import resolve
from repro.pretrain import optimizer as optim
from repro.pretrain.byol import partner_losses
from repro.pretrain.encoder import Encoder
from repro.pretrain.heads import Head
from repro.pretrain.objectives import Objective, used_objective
from repro.pretrain.objectives.base import Context
from repro.pretrain.selectors import Members
from tests.pretrain.networks import OddEncoder

STEPS, BATCH = 20, 12


def objective_of(method: str, encoder: nn.Module | None = None, steps: int = STEPS, **changes: Any) -> Objective:
    small = {"heads.hidden": 16, "heads.out": 8, "contrastive.bank": 64, "selector.queue": 64}
    config = resolve([method], {**small, **{key.replace("__", "."): value for key, value in changes.items()}})
    context = Context(steps, classes=3, multi_label=False, autocast=contextlib.nullcontext)
    torch.manual_seed(0)
    return used_objective(config)(encoder or Encoder("resnet18", "small", 4), config, context).train()


def members(n: int = BATCH) -> Members:
    return Members(torch.arange(n), torch.arange(n) % 3, torch.arange(n) // 2)


def views_at(step: int) -> torch.Tensor:
    return torch.randn(2, BATCH, 3, 16, 16, generator=torch.Generator().manual_seed(step))


def steps_of(objective: Objective, distinct: int = STEPS) -> list[float]:
    """Train as the loop does, on `distinct` pairs of views again and again, and return the losses."""
    optimizer = torch.optim.SGD([p for _, p in objective.trained_parameters()], lr=0.05, momentum=0.9)
    dtype = next(objective.parameters()).dtype
    objective.begin_epoch(0, torch.Generator().manual_seed(0))
    losses = []
    for step in range(STEPS):
        terms = objective.losses(*views_at(step % distinct).to(dtype), members(), step)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        objective.after_step(step)
        losses.append(terms["loss"].item())
    return losses


def like(peer: nn.Module, head: Head) -> nn.Module:
    """Give a lightly head our head's weights; its first layer has no bias, which BatchNorm would swallow anyway."""
    first, norm, _, last = peer.layers
    with torch.no_grad():
        head.inner[0].bias.zero_()
    first.load_state_dict({"weight": head.inner[0].weight})
    norm.load_state_dict(head.inner[1].state_dict())
    last.load_state_dict(head.last.state_dict())
    return peer


def test_twenty_steps_of_byol_follow_a_loop_written_with_lightlys_parts():
    ours = objective_of("byol", pretrain__tau=0.9).double()  # in float32 rounding grows to 0.04 in 20 steps
    encoder = copy.deepcopy(ours.model.encoder)
    projector = like(BYOLProjectionHead(encoder.features, 16, 8).double(), ours.model.projector)
    predictor = like(BYOLPredictionHead(8, 16, 8).double(), ours.model.predictor)
    ours.model.target_projector.load_state_dict(ours.model.projector.state_dict())
    target_encoder, target_projector = copy.deepcopy(encoder), copy.deepcopy(projector)
    for target in (target_encoder, target_projector):
        deactivate_requires_grad(target)

    criterion = NegativeCosineSimilarity()
    online = [*encoder.parameters(), *projector.parameters(), *predictor.parameters()]
    optimizer = torch.optim.SGD(online, lr=0.05, momentum=0.9)
    losses = []
    for step in range(STEPS):
        first, second = views_at(step).double()
        z1, z2 = (projector(encoder(view)) for view in (first, second))
        t1, t2 = (target_projector(target_encoder(view)).detach() for view in (first, second))
        # lightly's loss is the negative cosine; BYOL's distance of unit vectors is 2 - 2 cos for each view.
        loss = 4 + 2 * (criterion(predictor(z1), t2) + criterion(predictor(z2), t1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        momentum = cosine_schedule(step, STEPS + 1, 0.9, 1.0)
        update_momentum(encoder, target_encoder, momentum)
        update_momentum(projector, target_projector, momentum)
        losses.append(loss.item())

    assert steps_of(ours) == pytest.approx(losses, abs=1e-5)
    for mine, theirs in ((ours.model.encoder, encoder), (ours.model.target_encoder, target_encoder)):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    assert losses[-1] < losses[0]


def pairs(z: torch.Tensor) -> torch.Tensor:
    """exp(cosine / 0.1) between all 2B projections, with a loop over pairs."""
    n = len(z)
    out = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            out[i, j] = math.exp(float(z[i] @ z[j]) / float(z[i].norm() * z[j].norm()) / 0.1)
    return out


@pytest.mark.parametrize("method", ["simclr", "dcl"])
def test_contrastive_losses_equal_a_loop_over_pairs(method: str):
    objective = objective_of(method)
    first, second = views_at(0)
    twin = copy.deepcopy(objective)
    z = torch.cat([twin.model(view) for view in (first, second)]).detach().double()
    e, expected = pairs(z), 0.0
    for i in range(2 * BATCH):
        positive = (i + BATCH) % (2 * BATCH)
        left_out = {i, positive} if method == "dcl" else {i}
        denominator = sum(float(e[i, j]) for j in range(2 * BATCH) if j not in left_out)
        expected += -math.log(float(e[i, positive]) / denominator) / (2 * BATCH)
    loss = objective.losses(first, second, members(), 0)["loss"]
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_nnclr_contrasts_predictions_with_the_banks_nearest():
    objective = objective_of("nnclr")
    twin, bank = copy.deepcopy(objective), NNMemoryBankModule((64, 8))
    bank.bank = objective.bank.bank.clone()
    for step in range(3):
        first, second = views_at(step)
        z1, z2 = (twin.model(view) for view in (first, second))
        p1, p2 = twin.predictor(z1), twin.predictor(z2)
        nearest = bank(z1.detach(), update=False), bank(z2.detach(), update=True)
        expected = sum(_info_nce(n, p) for n, p in zip(nearest, (p2, p1), strict=True)) / 2
        loss = objective.losses(first, second, members(), step)["loss"]
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def _info_nce(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the other view and the own view's other images, both ways round."""
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    itself = torch.eye(len(a), dtype=torch.bool)
    both = []
    for x, y in ((a, b), (b, a)):
        own = (x @ x.T / 0.1).masked_fill(itself, -torch.inf)
        both.append(F.cross_entropy(torch.cat([x @ y.T / 0.1, own], dim=1), torch.arange(len(a))))
    return torch.stack(both).mean()


@pytest.mark.parametrize("method", ["simclr", "dcl", "nnclr", "byol", "byol_queue", "byol_tracin"])
def test_every_objective_lowers_its_loss_on_views_that_it_sees_again(method: str):
    losses = steps_of(objective_of(method), distinct=2)
    assert sum(losses[-4:]) < sum(losses[:4])


@pytest.mark.parametrize(
    "changes", [{"selector__partners": 3}, {"selector__symmetric": True}, {"tracin__layers": "full"}]
)
def test_the_loss_is_byols_plus_lambda_times_the_partners(changes: dict):
    objective = objective_of("byol_tracin", selector__weight=0.7, **changes)
    plain = objective_of("byol")
    for each in (objective, plain):
        each.begin_epoch(0, torch.Generator().manual_seed(0))
    terms = objective.losses(*views_at(0), members(), 0)
    byol = float(plain.losses(*views_at(0), members(), 0)["loss"])
    assert float(terms["loss_byol"]) == pytest.approx(byol, rel=1e-6)
    assert float(terms["loss"]) == pytest.approx(byol + 0.7 * float(terms["loss_partner"]), rel=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_config_says_how_many_partners_there_are_and_whether_the_pull_goes_both_ways(symmetric: bool, monkeypatch):
    asked: list[tuple[int, bool]] = []

    def noted(out: Any, partners: Any, both_ways: bool) -> torch.Tensor:
        asked.append((partners.index.shape[1], both_ways))
        return partner_losses(out, partners, both_ways)

    monkeypatch.setattr("repro.pretrain.objectives.byol.partner_losses", noted)
    objective = objective_of("byol_tracin", selector__partners=3, selector__symmetric=symmetric)
    objective.begin_epoch(0, torch.Generator().manual_seed(0))
    objective.losses(*views_at(0), members(), 0)
    assert asked == [(3, symmetric)]


def test_where_every_other_image_is_excluded_there_is_no_extra_loss():
    objective = objective_of("byol_tracin", tracin__exclude_group=True)
    objective.begin_epoch(0, torch.Generator().manual_seed(0))
    alone = Members(torch.arange(BATCH), torch.arange(BATCH) % 3, torch.zeros(BATCH, dtype=torch.long))
    terms = objective.losses(*views_at(0), alone, 0)
    assert float(terms["loss_partner"]) == 0
    assert float(terms["loss"]) == float(terms["loss_byol"])
    terms["loss"].backward()
    assert all(p.grad.isfinite().all() for _, p in objective.trained_parameters())


@pytest.mark.parametrize("layers", ["last", "heads", "full"])
def test_a_batch_of_one_gives_no_extra_loss_and_no_crash(layers: str):
    objective = objective_of("byol_tracin", OddEncoder(), tracin__layers=layers).eval()  # BatchNorm needs two
    objective.begin_epoch(0, torch.Generator().manual_seed(0))
    terms = objective.losses(*torch.randn(2, 1, 3, 15, 15), members(1), 0)
    assert float(terms["loss_partner"]) == 0
    assert math.isfinite(float(terms["loss"]))


def test_weight_decay_and_larger_steps_reach_every_trained_parameter():
    for method in ("byol", "simclr", "nnclr"):
        objective = objective_of(method)
        before = {name: p.detach().clone() for name, p in objective.trained_parameters()}
        optimizer = optim.build(objective.trained_parameters(), objective.config["pretrain"])
        optim.set_lr(optimizer, 0.1)
        objective.begin_epoch(0, torch.Generator())
        objective.losses(*views_at(0), members(), 0)["loss"].backward()
        optimizer.step()
        unmoved = [name for name, p in objective.trained_parameters() if torch.equal(p, before[name])]
        assert not [name for name in unmoved if not name.endswith("inner.0.bias")], method
