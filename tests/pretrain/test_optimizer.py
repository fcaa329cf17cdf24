"""Learning rates and which parameters decay."""

import math

import pytest
import torch

from repro.configs.resolve import resolve
from repro.pretrain import optimizer as optim
from repro.pretrain.objectives.partnered import partner_weight


def test_learning_rate_warms_up_linearly_then_follows_a_cosine_to_zero():
    rates = [optim.lr_at(step, 100, 10, 2.0) for step in range(101)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(2.0 * (1 + math.cos(math.pi / 2)) / 2)
    assert rates[100] == pytest.approx(0.0)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lars"])
def test_biases_and_batchnorm_do_not_decay(name: str):
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    settings = {**resolve()["pretrain"], "optimizer": name, "weight_decay": 0.5}
    optimizer = optim.build(list(model.named_parameters()), settings)
    optim.set_lr(optimizer, 0.1)
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
        if parameter.ndim > 1:
            parameter.grad += 1e-6  # LARS leaves a parameter without gradient alone
    optimizer.step()
    for key, parameter in model.named_parameters():
        moved = not torch.equal(parameter, before[key])
        assert moved == (parameter.ndim > 1), key


def test_lambda_is_zero_in_warm_up_then_ramps_to_its_weight():
    settings = {"name": "tracin", "weight": 0.8, "start": "epochs", "warmup_epochs": 2, "ramp_epochs": 3}
    assert [partner_weight(settings, epoch) for epoch in range(7)] == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8, 0.8])
    assert partner_weight({**settings, "name": "none"}, 6) == 0.0
    waiting = {**settings, "start": "learned"}
    assert partner_weight(waiting, 50) == 0.0
    found = [partner_weight(waiting, epoch, learned_at=10) for epoch in range(10, 17)]
    assert found == [partner_weight(settings, epoch) for epoch in range(7)]


def network_with_a_predictor() -> torch.nn.ModuleDict:
    torch.manual_seed(0)
    return torch.nn.ModuleDict({"encoder": torch.nn.Linear(3, 4), "predictor": torch.nn.Linear(4, 2)}).double()


def stepped(settings: dict[str, object], steps: int = 3) -> dict[str, torch.Tensor]:
    """What becomes of a small network's parameters in some steps with given gradients, at a learning rate of 0.3."""
    model = network_with_a_predictor()
    optimizer = optim.build(list(model.named_parameters()), {**resolve()["pretrain"], **settings})
    optim.set_lr(optimizer, 0.3)
    for step in range(steps):
        for number, parameter in enumerate(model.parameters()):
            parameter.grad = torch.sin(torch.arange(parameter.numel()).double() + number + step).view_as(parameter)
        optimizer.step()
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def test_the_predictor_learns_at_its_own_multiple_of_the_rate():
    common = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    start = {name: p.detach() for name, p in network_with_a_predictor().named_parameters()}
    slow, fast = stepped(common), stepped({**common, "predictor_lr": 10.0})
    for name, before in start.items():
        times = 10 if name.startswith("predictor") else 1
        torch.testing.assert_close(fast[name] - before, times * (slow[name] - before))


@pytest.mark.parametrize("trust", [0.001, 0.02])
def test_lars_steps_are_those_of_its_paper(trust: float):
    decay, momentum = 0.1, 0.9
    moved = stepped({"optimizer": "lars", "trust": trust, "weight_decay": decay, "momentum": momentum})
    for number, (name, p) in enumerate(network_with_a_predictor().named_parameters()):
        w, velocity = p.detach().clone(), torch.zeros_like(p)
        for step in range(3):
            g = torch.sin(torch.arange(w.numel()).double() + number + step).view_as(w)
            if w.ndim > 1:  # You et al. 2017, eq. 6; biases take plain steps
                g = trust * w.norm() / (g.norm() + decay * w.norm()) * (g + decay * w)
            velocity = momentum * velocity + g
            w = w - 0.3 * velocity
        torch.testing.assert_close(moved[name], w, rtol=1e-6, atol=1e-9, msg=name)
