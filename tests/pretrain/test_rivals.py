"""Rivals of BYOL against loops written with lightly's parts: ten steps of each, in float64."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightly.loss import (
    BarlowTwinsLoss,
    DCLLoss,
    DINOLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SwaVLoss,
    VICRegLoss,
)
from lightly.models.modules import (
    BarlowTwinsProjectionHead,
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    NNMemoryBankModule,
    SimSiamPredictionHead,
    SimSiamProjectionHead,
    SwaVProjectionHead,
    SwaVPrototypes,
)
from lightly.models.modules.heads import VICRegProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn
from torch.nn import functional as F

from repro.errors import InputError
from repro.pretrain.diagnostics import COLLAPSED
from repro.pretrain.objectives import OBJECTIVES, Objective
from tests.pretrain.networks import OddEncoder, PatchNetwork
from tests.pretrain.test_objectives import like, members, objective_of, views_at

STEPS = 10
Loss = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]


def made(method: str, **changes: Any) -> Objective:
    """A rival over a small network in float64; its target's decay begins at 0.9."""
    small = {"moco.queue": 40, "pretrain.tau": 0.9, "swav.prototypes": 6, "dino.prototypes": 10}
    torch.manual_seed(1)
    return objective_of(method, OddEncoder(), steps=STEPS, **{**small, **changes}).double()


def ours(objective: Objective) -> list[float]:
    """Train as the loop does, and return the losses."""
    optimizer = torch.optim.SGD([p for _, p in objective.trained_parameters()], lr=0.05, momentum=0.9)
    objective.begin_epoch(0, torch.Generator().manual_seed(0))
    losses = []
    for step in range(STEPS):
        terms = objective.losses(*views_at(step).double(), members(), step)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        objective.after_step(step)
        losses.append(terms["loss"].item())
    return losses


def theirs(modules: list[nn.Module], loss_of: Loss, after: Callable[[int], None] = lambda _: None) -> list[float]:
    """Train modules with a loss written here, and return the losses."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    losses = []
    for step in range(STEPS):
        loss = loss_of(*views_at(step).double(), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after(step)
        losses.append(loss.item())
    return losses


def same(mine: nn.Module, peer: nn.Module) -> None:
    for a, b in zip(mine.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def filled(peer: nn.Module, head: nn.Module) -> nn.Module:
    peer.double().load_state_dict(head.state_dict())
    return peer


def momentum(step: int) -> float:
    return cosine_schedule(step, STEPS + 1, 0.9, 1.0)


def test_simsiam():
    objective = made("simsiam")
    encoder = copy.deepcopy(objective.model.encoder)
    projector = filled(SimSiamProjectionHead(6, 16, 8), objective.model.projector)
    predictor = like(SimSiamPredictionHead(8, 2, 8).double(), objective.model.predictor)
    criterion = NegativeCosineSimilarity()

    def loss(first: torch.Tensor, second: torch.Tensor, _: int) -> torch.Tensor:
        z1, z2 = projector(encoder(first)), projector(encoder(second))
        p1, p2 = predictor(z1), predictor(z2)
        simsiam = 0.5 * (criterion(z1.detach(), p2) + criterion(z2.detach(), p1))
        return 4 + 4 * simsiam  # BYOL's scale

    losses = theirs([encoder, projector, predictor], loss)
    assert ours(objective) == pytest.approx(losses, abs=1e-9)
    same(objective.model.encoder, encoder)


@pytest.mark.parametrize(
    ("method", "head", "criterion"),
    [
        ("barlow_twins", BarlowTwinsProjectionHead, BarlowTwinsLoss(lambda_param=5e-3)),
        ("vicreg", VICRegProjectionHead, VICRegLoss(lambda_param=25, mu_param=25, nu_param=1)),
    ],
)
def test_redundancy_reduction(method: str, head: type[nn.Module], criterion: nn.Module):
    objective = made(method)
    encoder = copy.deepcopy(objective.model[0])
    projector = filled(head(6, 16, 16), objective.model[1])

    def loss(first: torch.Tensor, second: torch.Tensor, _: int) -> torch.Tensor:
        return criterion(projector(encoder(first)), projector(encoder(second)))

    losses = theirs([encoder, projector], loss)
    assert ours(objective) == pytest.approx(losses, abs=1e-8)
    same(objective.model[0], encoder)


@pytest.mark.parametrize("splits", [1, 4])
def test_moco(splits: int):
    objective = made("moco", moco__splits=splits)
    encoder = copy.deepcopy(objective.model["query"][0])
    projector = like(BYOLProjectionHead(6, 16, 8).double(), objective.model["query"][1])
    objective.model["key"].load_state_dict(objective.model["query"].state_dict())
    key_encoder, key_projector = copy.deepcopy(encoder), copy.deepcopy(projector)
    for each in (key_encoder, key_projector):
        deactivate_requires_grad(each)
    criteria = [NTXentLoss(0.2, (40, 8)).double() for _ in range(2)]
    for mine, peer in zip(objective.criteria, criteria, strict=True):
        peer.memory_bank.bank = mine.memory_bank.bank.clone()

    def keys(view: torch.Tensor) -> torch.Tensor:
        found: dict[int, torch.Tensor] = {}
        for part in range(splits):
            index = [i for i in range(len(view)) if i % splits == part]
            found |= zip(index, key_projector(key_encoder(view[index])), strict=True)
        return torch.stack([found[i] for i in range(len(view))])

    def loss(first: torch.Tensor, second: torch.Tensor, _: int) -> torch.Tensor:
        q1, q2 = projector(encoder(first)), projector(encoder(second))
        return 0.5 * (criteria[0](q1, keys(second)) + criteria[1](q2, keys(first)))

    def after(step: int) -> None:
        update_momentum(encoder, key_encoder, momentum(step))
        update_momentum(projector, key_projector, momentum(step))

    losses = theirs([encoder, projector], loss, after)
    assert ours(objective) == pytest.approx(losses, abs=1e-8)
    same(objective.model["key"][0], key_encoder)


def test_decoupled_contrast_with_the_banks_nearest():
    objective = made("dcl_nn")
    encoder = copy.deepcopy(objective.model[0])
    projector = like(BYOLProjectionHead(6, 16, 8).double(), objective.model[1])
    predictor = like(BYOLPredictionHead(8, 16, 8).double(), objective.predictor)
    bank = NNMemoryBankModule((64, 8)).double()
    bank.bank = objective.bank.bank.clone()
    criterion = DCLLoss(0.1)

    def loss(first: torch.Tensor, second: torch.Tensor, _: int) -> torch.Tensor:
        z1, z2 = projector(encoder(first)), projector(encoder(second))
        p1, p2 = predictor(z1), predictor(z2)
        nearest1, nearest2 = bank(z1.detach(), update=False), bank(z2.detach(), update=True)
        return 0.5 * (criterion(nearest1, p2) + criterion(nearest2, p1))

    losses = theirs([encoder, projector, predictor], loss)
    assert ours(objective) == pytest.approx(losses, abs=1e-8)
    same(objective.model[0], encoder)


def test_swav_whose_prototypes_stay_for_two_steps():
    objective = made("swav", pretrain__epochs=5)
    encoder = copy.deepcopy(objective.model[0])
    projector = filled(SwaVProjectionHead(6, 16, 8), objective.model[1])
    prototypes = filled(SwaVPrototypes(8, 6, n_steps_frozen_prototypes=2), objective.prototypes)
    criterion = SwaVLoss()

    def loss(first: torch.Tensor, second: torch.Tensor, step: int) -> torch.Tensor:
        prototypes.normalize()
        scores = [prototypes(F.normalize(projector(encoder(view)), dim=1, p=2), step) for view in (first, second)]
        return criterion(scores, [])

    before = objective.prototypes.heads[0].weight.detach().clone()
    losses = theirs([encoder, projector, prototypes], loss)
    assert ours(objective) == pytest.approx(losses, abs=1e-8)
    same(objective.prototypes, prototypes)
    assert not torch.equal(F.normalize(before), F.normalize(objective.prototypes.heads[0].weight))


def test_dino_whose_last_layer_stays_for_two_steps():
    objective = made("dino", pretrain__epochs=5)
    student, teacher = (copy.deepcopy(objective.model.student.encoder) for _ in range(2))
    student_head, teacher_head = (
        filled(DINOProjectionHead(6, 16, 8, 10, batch_norm=True, freeze_last_layer=1), objective.model.student.head)
        for _ in range(2)
    )
    for each in (teacher, teacher_head):
        deactivate_requires_grad(each)
    criterion = DINOLoss(10, teacher_temp=0.04, student_temp=0.1, center_momentum=0.9).double()
    optimizer = torch.optim.SGD(
        [p for p in (*student.parameters(), *student_head.parameters()) if p.requires_grad], lr=0.05, momentum=0.9
    )
    losses = []
    for step in range(STEPS):
        views = views_at(step).double()
        found = criterion(
            [teacher_head(teacher(view)) for view in views], [student_head(student(view)) for view in views]
        )
        optimizer.zero_grad()
        found.backward()
        student_head.cancel_last_layer_gradients(step // 2)
        optimizer.step()
        update_momentum(student, teacher, momentum(step))
        update_momentum(student_head, teacher_head, momentum(step))
        losses.append(found.item())
    assert ours(objective) == pytest.approx(losses, abs=1e-8)
    same(objective.model.teacher.encoder, teacher)


def test_small_crops_go_through_the_student_alone():
    objective, plain = made("dino", dino__crops=4), made("dino")
    sizes: dict[str, list[int]] = {"student": [], "teacher": []}
    for name, seen in sizes.items():
        getattr(objective.model, name).encoder.register_forward_hook(
            lambda _, given, __, seen=seen: seen.append(given[0].shape[-1])
        )
    terms = [each.losses(*views_at(0).double(), members(), 0) for each in (objective, plain)]
    assert sizes == {"student": [16, 16, 14, 14, 14, 14], "teacher": [16, 16]}
    assert float(terms[0]["loss"]) != float(terms[1]["loss"])
    terms[0]["loss"].backward()


@pytest.mark.parametrize("method", ["moco", "barlow_twins", "vicreg", "swav", "dino", "dcl", "nnclr", "dcl_nn"])
def test_a_rival_without_additional_positive_refuses_a_selector(method: str):
    with pytest.raises(InputError, match="takes no additional positive; leave"):
        objective_of(method, OddEncoder(), selector__name="cosine")


def test_an_unknown_objective_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"no objective 'simsian'\. Did you mean 'simsiam'"):
        objective_of("byol", OddEncoder(), method__objective="simsian")


def test_simsiam_without_predictor_is_refused():
    with pytest.raises(InputError, match="simsiam needs its predictor"):
        objective_of("simsiam", OddEncoder(), heads__predictor=False)


class Blind(nn.Module):
    """An encoder for which all images are nearly the same."""

    features, patch = 6, 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight + 1e-4 * x.mean(dim=(1, 2, 3))[:, None]

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)[:, None].expand(-1, (x.shape[-1] // 4) ** 2, -1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_alarm_goes_off_when_all_images_look_the_same_and_not_before(
    objective: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("repro.pretrain.trainer.new_encoder", lambda _: Blind())
    for encoder, alarm in ((Blind(), True), (PatchNetwork(), False)):
        torch.manual_seed(0)
        found = objective_of("byol", encoder, method__objective=objective, method__name="mine", data__size=16)
        found.begin_epoch(0, torch.Generator().manual_seed(0))
        for module in found.modules() if alarm else ():
            if isinstance(module, nn.BatchNorm1d):  # it would blow up the last difference there is
                module.eps = 1.0
            elif isinstance(module, nn.Linear) and module.bias is not None:  # as after some training
                nn.init.normal_(module.bias)
        terms = found.losses(*views_at(0), members(), 0)
        assert (float(terms["feature_std"]) < COLLAPSED) == alarm, (objective, terms["feature_std"])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_probe_sees_projections_of_every_rival(objective: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("repro.pretrain.trainer.new_encoder", lambda _: Blind())
    found = objective_of("byol", PatchNetwork(), method__objective=objective, method__name="mine", data__size=16).eval()
    with torch.no_grad():
        projections = found.projections(views_at(0)[0])
        assert projections.shape[0] == 12
        assert projections.ndim == 2
        assert torch.equal(found.projections(views_at(0)[0]), projections)
