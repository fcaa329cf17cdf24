"""The additional positive for SimSiam and SimCLR: K against one gradient per image, and losses against slow loops."""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.errors import InputError
from repro.pretrain import ntxent
from repro.pretrain.byol import Outputs, Partners
from repro.pretrain.objectives import Objective
from repro.pretrain.selectors import SELECTORS, TRACIN
from tests.pretrain.networks import Constant, OddEncoder
from tests.pretrain.test_objectives import BATCH, members, objective_of, views_at
from tests.pretrain.test_tracin import equal, see

TIERS = ("last", "heads", "full")
BASES = ("simsiam", "simclr")


def made(base: str, **changes: Any) -> Objective:
    torch.manual_seed(0)
    objective = objective_of(base, OddEncoder(), **{"selector.name": "tracin", **changes}).double()
    for module in objective.modules():
        if isinstance(module, _BatchNorm) and module.affine:  # fresh ones would hide a forgotten scale
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    objective.begin_epoch(0, torch.Generator().manual_seed(0))
    return objective


class FrozenNetworks(nn.Module):
    """A copy of the networks, every BatchNorm replaced by constants of one view's batch. Maps a view to p."""

    def __init__(self, model: nn.Module, view: torch.Tensor) -> None:
        super().__init__()
        self.parts = copy.deepcopy(nn.ModuleDict(dict(model.named_children())))
        seen: dict[str, torch.Tensor] = {}
        norms = {name: m for name, m in self.parts.named_modules() if isinstance(m, _BatchNorm)}
        for name, norm in norms.items():
            norm.register_forward_hook(lambda _, x, __, name=name: seen.__setitem__(name, x[0].clone()))
        self(view)
        for name, norm in norms.items():
            parent, _, child = name.rpartition(".")
            setattr(self.parts.get_submodule(parent), child, Constant(norm, seen[name]))

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        x = self.parts["encoder"](view)
        for name in ("projector", "predictor"):
            if name in self.parts:
                x = self.parts[name](x)
                x = x[0] if isinstance(x, tuple) else x
        return x

    def tier(self, name: str) -> list[nn.Parameter]:
        layers = {n: m for n, m in self.parts.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
        heads = [n for n in layers if not n.startswith("encoder")]
        final = [n for n in heads if n.startswith("predictor")] or heads
        kept = {"last": final[-1:], "heads": heads, "full": list(layers)}[name]
        return [p for n in kept for p in layers[n].parameters()]


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a @ b) / (a.norm() * b.norm())


def simsiam_loss(p: list[torch.Tensor], out: Outputs, i: int, views: int) -> torch.Tensor:
    return sum(2 - 2 * cosine(p[u], out.t[1 - u, i]) for u in range(views))  # type: ignore[return-value]


def simclr_loss(p: list[torch.Tensor], out: Outputs, i: int, views: int) -> torch.Tensor:
    total = []
    for u in range(views):
        positive = cosine(p[u], p[1 - u]) / 0.1
        others = [cosine(p[u], out.t[w, j]) / 0.1 for w in range(2) for j in range(out.p.shape[1]) if j != i]
        total.append(torch.stack([positive, *others]).logsumexp(0) - positive)
    return torch.stack(total).mean()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(("base", "loss_of"), [("simsiam", simsiam_loss), ("simclr", simclr_loss)])
def test_kernel_equals_one_gradient_per_image(base: str, loss_of: Any, tier: str, views: int):
    objective = made(base, tracin__layers=tier, tracin__views=views)
    seen = torch.randn(2, 5, 3, 15, 15, dtype=torch.float64)
    with objective.tracin.watching():
        out = objective.model(*seen)
    kernel = objective.tracin.kernel(out, *seen, see)
    copies, rows = [FrozenNetworks(objective.model, view) for view in seen], []
    for i in range(5):
        p = [each(view[i : i + 1])[0] for each, view in zip(copies, seen, strict=True)]
        loss, total = loss_of(p, out, i, views), torch.zeros(())
        for each in copies[:views]:
            parts = torch.autograd.grad(loss, each.tier(tier), retain_graph=True)
            total = total + torch.cat([part.flatten() for part in parts])
        rows.append(total)
    gradient = torch.stack(rows)
    equal(kernel, gradient @ gradient.T)


def slow_simclr(z: torch.Tensor, theirs: torch.Tensor, valid: torch.Tensor, weight: float, inside: bool) -> float:
    """The loss with partners, with a loop over images, views and partners."""
    n, total = z.shape[1], 0.0
    for i in range(n):
        for u in range(2):
            others = [(w, j) for w in range(2) for j in range(n) if (w, j) != (u, i)]
            bottom = sum(math.exp(float(cosine(z[u, i], z[w, j])) / 0.1) for w, j in others)
            top = math.exp(float(cosine(z[u, i], z[1 - u, i])) / 0.1)
            kept = [k for k in range(valid.shape[1]) if valid[i, k]]
            for k in kept:
                share = weight / len(kept) * math.exp(float(cosine(z[u, i], theirs[u, i, k])) / 0.1)
                top += share
                bottom += 0.0 if inside else share
            total -= math.log(top / bottom)
    return total / (2 * n)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_simclrs_partners_stand_in_the_numerator(inside: bool, weight: float):
    torch.manual_seed(3)
    z = torch.randn(2, 6, 4, dtype=torch.float64).requires_grad_()
    valid = torch.tensor([[True, True], [True, False], [False, False]] * 2)
    index = torch.tensor([[1, 2], [3, 0], [0, 1], [5, 0], [2, 0], [3, 1]])
    theirs = z.flip(0)[:, index] if inside else torch.randn(2, 6, 2, 4, dtype=torch.float64)
    loss, own = ntxent.with_partners(z, theirs, valid, 0.1, weight, inside)
    assert loss.mean().item() == pytest.approx(
        slow_simclr(z.detach(), theirs.detach(), valid, weight, inside), rel=1e-9
    )
    assert float(own[2]) == 0
    loss.mean().backward()
    assert z.grad.isfinite().all()
    if weight == 0:
        assert loss.mean().item() == pytest.approx(ntxent.image_losses(z, 0.1).mean().item(), rel=1e-12)


def test_without_weight_simclr_with_partners_takes_simclrs_steps():
    plain = made("simclr", **{"selector.name": "none"})
    partnered = made("simclr", selector__weight=0.0)
    partnered.model.encoder.load_state_dict(plain.model[0].state_dict())
    partnered.model.projector.load_state_dict(plain.model[1].state_dict())
    gradients = []
    for objective, encoder in ((plain, plain.model[0]), (partnered, partnered.model.encoder)):
        objective.losses(*views_at(0).double(), members(), 0)["loss"].backward()
        gradients.append([p.grad for p in encoder.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("selector", ["tracin", *(name for name in SELECTORS if name not in TRACIN)])
def test_every_selector_chooses_for_every_base(base: str, selector: str, monkeypatch: pytest.MonkeyPatch):
    chosen: list[Partners] = []
    objective = made(base, **{"selector.name": selector, "selector.partners": 2, "selector.queue": 2 * BATCH})
    usual = objective.partners.add
    monkeypatch.setattr(objective.partners, "add", lambda *given: chosen.append(usual(*given)) or chosen[-1])
    for step in range(2):  # a memory bank is empty at first
        terms = objective.losses(*views_at(step).double(), members(), step)
    assert chosen[-1].index.shape == (BATCH, 2)
    assert chosen[-1].valid.all()
    assert float(terms["loss_partner"]) > 0
    assert float(terms["loss"]) != float(terms[f"loss_{base}"])
    terms["loss"].backward()
    assert all(p.grad.isfinite().all() for _, p in objective.trained_parameters())


def test_simsiams_partners_add_lambda_times_byols_partner_loss():
    objective = made("simsiam", selector__weight=0.7)
    terms = objective.losses(*views_at(0).double(), members(), 0)
    expected = float(terms["loss_simsiam"]) + 0.7 * float(terms["loss_partner"])
    assert float(terms["loss"]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "changes",
    [
        {"selector.name": "oracle", "selector.error": 0.5},
        {"selector.mutual": True},
        {"selector.confidence": 0.5},
        {"selector.name": "tracin_bank", "selector.confidence": 0.75, "selector.queue": 2 * BATCH},
        {"selector.name": "tracin_bank", "tracin.views": 1, "tracin.normalize": "dot", "selector.queue": 2 * BATCH},
    ],
    ids=str,
)
def test_a_step_of_every_base_is_one_towards_the_partners_that_train(
    base: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    chosen: list[Partners] = []
    objective = made(base, **changes)
    usual = objective.partners.add
    monkeypatch.setattr(objective.partners, "add", lambda *given: chosen.append(usual(*given)) or chosen[-1])
    for step in range(2):  # a memory bank is empty at first
        terms = objective.losses(*views_at(step).double(), members(), step)
    kept = chosen[-1].valid[:, 0]
    filtered = "selector.mutual" in changes or "selector.confidence" in changes
    assert kept.any()
    assert kept.all() != filtered
    if "selector.confidence" in changes:
        assert int(kept.sum()) == round(BATCH * (1 - changes["selector.confidence"]))
    terms["loss"].backward()
    assert all(p.grad.isfinite().all() for _, p in objective.trained_parameters())
    # Whoever else the partners that do not train are, the loss is the same.
    others = [replace(p, index=torch.where(p.valid, p.index, (p.index + 1) % p.t.shape[1])) for p in chosen]
    again, told = made(base, **changes), iter(others)
    monkeypatch.setattr(again.partners, "add", lambda *_: next(told))
    for step in range(2):
        expected = again.losses(*views_at(step).double(), members(), step)
    assert float(expected["loss"]) == float(terms["loss"])


def test_simclr_refuses_a_pull_that_it_has_anyway():
    with pytest.raises(InputError, match=r"selector\.symmetric=True: simclr is symmetric already"):
        made("simclr", selector__symmetric=True)
