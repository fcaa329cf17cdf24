"""Learning rates and which parameters decay."""

import math

import pytest
import torch

from repro.configs.resolve import resolve
from repro.pretrain import optimizer as optim
from repro.pretrain.objectives.byol import partner_weight


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
    settings = {"name": "tracin", "weight": 0.8, "warmup_epochs": 2, "ramp_epochs": 3}
    assert [partner_weight(settings, epoch) for epoch in range(7)] == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.8, 0.8])
    assert partner_weight({**settings, "name": "none"}, 6) == 0.0
