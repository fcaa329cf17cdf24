"""Projector g and predictor q: the two-layer perceptrons of BYOL."""

import torch
from torch import nn


class Head(nn.Module):
    """Linear, BatchNorm, ReLU, Linear (Grill et al. 2020, section 3.3).

    Args:
        inputs, hidden, outputs: sizes of the three layers.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True))
        self.last = nn.Linear(hidden, outputs)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map `[B, inputs]` to the output `[B, outputs]` and the last layer's input `[B, hidden]`."""
        a = self.inner(x)
        return self.last(a), a
