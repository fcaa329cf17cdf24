"""Mixed precision: where half precision is used."""

import contextlib
from typing import Any

import torch


def autocast(name: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the autocast that a setting `precision` asks for; auto is bf16 on a GPU only."""
    bf16 = name == "bf16" or (name == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()


def exact(x: torch.Tensor) -> torch.Tensor:
    """Return x in float32, or as it is where it is more precise: for losses, statistics and Gram products."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
