"""Train a classifier, whatever its loss; the validation split chooses the moment."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.data import ImageSet
from repro.errors import InputError
from repro.evaluate.metrics import measure, selection_score
from repro.pretrain import optimizer as optim
from repro.pretrain.encoder import Encoder, normalized, to_input
from repro.pretrain.precision import autocast
from repro.progress import Progress

CHUNK = 512

Report = Callable[[str, float, float], None]
Predictor = Callable[[str], np.ndarray]
"""From a split's name to its scores `[N, C]`."""


class Classifier(nn.Sequential):
    """An encoder and a linear layer, from pixels `[B, 3, H, W]` to float32 logits `[B, C]`.

    Attributes:
        precision: of the computation, as `evaluate.finetune.precision`; weights, logits and losses are float32.
    """

    def __init__(self, encoder: Encoder, classes: int, precision: str):
        super().__init__(encoder, nn.Linear(encoder.features, classes))
        self.precision = precision

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits `[B, C]` of images."""
        with autocast(self.precision, x.device):
            return super().forward(x).float()


def new_classifier(encoder: Encoder, images: ImageSet, precision: str, device: torch.device) -> nn.Module:
    """Return a copy of the encoder with a new linear layer to the data set's C classes."""
    return Classifier(copy.deepcopy(encoder), len(images.class_names), precision).to(device)


def train(
    model: nn.Module,
    loss_at: Callable[[int], torch.Tensor],
    images: ImageSet,
    settings: dict[str, Any],
    device: torch.device,
    report: Report,
    title: str,
) -> Predictor:
    """Train a classifier and return its best moment's predictor.

    Args:
        model: the classifier, trained in place.
        loss_at: from a step, counted from 0, to the loss of that step's batch; called in train mode.
        images: the data set, for its validation split.
        settings: the `evaluate.finetune` settings.
        device: where the model is.
        report: called with "val" (what chooses the model) and "train_loss" at each validation, step = optimiser step.
        title: what is being done, a few words.

    Returns:
        A function from a split's name to its scores, float32 `[N, C]`: softmax, or sigmoids.

    Raises:
        InputError: the loss is no longer finite.
    """
    fixed = {"momentum": 0.9, "predictor_lr": 1.0}
    optimizer = optim.build(list(model.named_parameters()), {**fixed, **settings})
    steps, every = settings["steps"], max(1, math.ceil(settings["steps"] / settings["validations"]))
    truth = images.labels[images.indices("val")]
    best, best_state, losses = -math.inf, copy.deepcopy(model.state_dict()), []

    with Progress(title, steps, images=settings["batch_size"]) as progress:
        for step in range(1, steps + 1):
            model.train()
            optim.set_lr(optimizer, _lr_at(step - 1, settings))
            loss = loss_at(step - 1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            progress.advance()
            if step % every == 0 or step == steps:
                mean_loss = float(torch.stack(losses).mean())
                if not math.isfinite(mean_loss):
                    raise InputError(f"the loss is {mean_loss} ({title}): take a lower evaluate.finetune.lr")
                values = measure(_scores(model, images, "val", device), truth, images.class_names)
                value = selection_score(values, images.multi_label, settings["choose_by"])
                report("train_loss", mean_loss, step)
                report("val", value, step)
                losses = []
                if value > best:
                    best, best_state = value, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return lambda split: _scores(model, images, split, device)


def _lr_at(step: int, settings: dict[str, Any]) -> float:
    if settings["schedule"] == "steps":
        return optim.stepped_lr_at(step, settings["steps"], settings["lr"])
    return optim.lr_at(step, settings["steps"], 0, settings["lr"])


def batches(n: int, size: int, steps: int) -> list[torch.Tensor]:
    """Return `steps` batches of indices below n: pass after pass in new order; fewer than `size` if n is small."""
    size = min(size, n)
    passes = math.ceil(steps / (n // size))
    order = [torch.randperm(n)[: n - n % size] for _ in range(passes)]
    return list(torch.cat(order).split(size)[:steps])


def pixels_of(images: ImageSet, index: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return images by their indices `[B]`: float `[B, 3, H, W]` in [0, 1]."""
    return to_input(torch.from_numpy(images.images[index]).to(device))


def probabilities(logits: torch.Tensor, multi_label: bool) -> torch.Tensor:
    """Return what logits `[B, C]` say of the classes: one softmax, or a sigmoid for each of several labels."""
    return logits.sigmoid() if multi_label else logits.softmax(dim=1)


@torch.no_grad()
def _scores(model: nn.Module, images: ImageSet, split: str, device: torch.device) -> np.ndarray:
    model.eval()
    rows = []
    for index in np.array_split(images.indices(split), max(1, len(images.indices(split)) // CHUNK)):
        logits = model(normalized(pixels_of(images, index, device)))
        rows.append(probabilities(logits, images.multi_label).cpu())
    return torch.cat(rows).numpy()
