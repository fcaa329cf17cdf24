"""The optimiser and its learning rate, each a plain function of the step."""

import math
from collections import defaultdict
from typing import Any

import torch
from torch import nn


def build(parameters: list[tuple[str, nn.Parameter]], settings: dict[str, Any]) -> torch.optim.Optimizer:
    """Return the optimiser over named parameters; biases and BatchNorm get no weight decay (and no LARS) [BYOL].

    Each of its groups has a `factor`: its learning rate as a multiple of the schedule's; 1 but for the predictor.

    Args:
        parameters: (name, parameter) pairs; those of a module named `predictor` are the predictor's.
        settings: optimizer, momentum, weight_decay, and for pretraining trust and predictor_lr.
    """
    members: dict[tuple[bool, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in sorted(parameters, key=lambda pair: pair[1].ndim <= 1):  # matrices, then vectors
        factor = settings["predictor_lr"] if "predictor" in name.split(".") else 1.0
        members[parameter.ndim > 1, factor].append(parameter)
    groups = [
        {"params": own, "weight_decay": settings["weight_decay"] if matrices else 0.0, "factor": factor}
        for (matrices, factor), own in members.items()
    ]
    match settings["optimizer"]:
        case "sgd":
            return torch.optim.SGD(groups, lr=0.0, momentum=settings["momentum"])
        case "adam":
            return torch.optim.Adam(groups, lr=0.0)
        case "adamw":
            return torch.optim.AdamW(groups, lr=0.0)
        case "lars":
            from lightly.utils.lars import LARS

            return LARS(groups, lr=0.0, momentum=settings["momentum"], trust_coefficient=settings["trust"])
    raise ValueError(settings["optimizer"])


def lr_at(step: int, steps: int, warmup_steps: int, peak: float) -> float:
    """Return the learning rate at a step: linear warm-up to `peak`, then a cosine to 0 (Grill et al. 2020)."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps))) / 2


def stepped_lr_at(step: int, steps: int, peak: float) -> float:
    """Return the learning rate at a step: `peak`, a tenth of it from half of the steps on, a hundredth from 3/4 on.

    As the experiments of MedMNIST have it (Yang et al. 2023).
    """
    return peak * 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps))


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group of the optimiser this learning rate, times the group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["factor"]
