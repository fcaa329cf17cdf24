"""The optimiser and its learning rate, each a plain function of the step."""

import math
from typing import Any

import torch
from torch import nn


def build(parameters: list[tuple[str, nn.Parameter]], settings: dict[str, Any]) -> torch.optim.Optimizer:
    """Return the optimiser over named parameters; biases and BatchNorm get no weight decay (and no LARS) [BYOL].

    Args:
        parameters: (name, parameter) pairs.
        settings: the `pretrain` settings (optimizer, momentum, weight_decay).
    """
    groups = [
        {"params": [p for _, p in parameters if p.ndim > 1], "weight_decay": settings["weight_decay"]},
        {"params": [p for _, p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    match settings["optimizer"]:
        case "sgd":
            return torch.optim.SGD(groups, lr=0.0, momentum=settings["momentum"])
        case "adamw":
            return torch.optim.AdamW(groups, lr=0.0)
        case "lars":
            from lightly.utils.lars import LARS

            return LARS(groups, lr=0.0, momentum=settings["momentum"])
    raise ValueError(settings["optimizer"])


def lr_at(step: int, steps: int, warmup_steps: int, peak: float) -> float:
    """Return the learning rate at a step: linear warm-up to `peak`, then a cosine to 0 (Grill et al. 2020)."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps))) / 2


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group of the optimiser this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
