"""The labelled images of a label fraction: their batches, and the loss of a classifier on them."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from repro.data import ImageSet
from repro.evaluate.training import batches, pixels_of


class Labelled:
    """The images whose labels may be seen, one batch for every step; no other label is ever read.

    Args:
        images: the data set.
        labelled: indices of the images whose labels may be seen.
        settings: the `evaluate.finetune` settings.
        class_weights: "balanced" (each class weighs the same in the loss) or "none"; several labels per image are
            never weighted.
        device: where the batches go.
    """

    def __init__(
        self,
        images: ImageSet,
        labelled: np.ndarray,
        settings: dict[str, Any],
        class_weights: str,
        device: torch.device,
    ) -> None:
        self._images, self._indices, self._device = images, labelled, device
        self._labels = torch.from_numpy(images.labels[labelled])
        weighted = class_weights == "balanced" and not images.multi_label
        self._weight = balance(self._labels, len(images.class_names)).to(device) if weighted else None
        self._batches = batches(len(labelled), settings["batch_size"], settings["steps"])

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the images of a step, float `[B, 3, H, W]` in [0, 1], and their labels `[B]` or `[B, C]`."""
        index = self._batches[step]
        return pixels_of(self._images, self._indices[index.numpy()], self._device), self._labels[index].to(self._device)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of logits `[B, C]`; binary, label by label, where an image has several."""
        if labels.ndim == 2:
            return F.binary_cross_entropy_with_logits(logits, labels.float())
        return F.cross_entropy(logits, labels, self._weight)


def balance(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Return scikit-learn's "balanced" weights N / (C n_c), `[C]`; 0 for a class without images."""
    counts = torch.bincount(labels, minlength=classes).float()
    return torch.where(counts > 0, len(labels) / ((counts > 0).sum() * counts), 0.0)
