"""Fine-tune the whole network on a label fraction; the validation split chooses the moment."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from repro.data import ImageSet
from repro.errors import InputError
from repro.evaluate.metrics import measure, selection_score
from repro.pretrain import optimizer as optim
from repro.pretrain.augment import LightViews
from repro.pretrain.encoder import Encoder, normalized, to_input
from repro.progress import Progress

CHUNK = 512

Report = Callable[[str, float, float], None]


def finetune(
    encoder: Encoder,
    images: ImageSet,
    labelled: np.ndarray,
    settings: dict[str, Any],
    class_weights: str,
    seed: int,
    device: torch.device,
    report: Report,
) -> Callable[[str], np.ndarray]:
    """Train encoder and a linear classifier on the labelled images and return the best model's predictor.

    The encoder given is left as it is.

    Args:
        encoder: starting weights.
        images: the data set.
        labelled: indices of the images whose labels may be seen.
        settings: the `evaluate.finetune` settings.
        class_weights: "balanced" (each class weighs the same in the loss) or "none"; several labels per image are
            never weighted.
        seed: of order, augmentation and the classifier's weights.
        device: where to train.
        report: called with "val" (what chooses the model) and "train_loss" at each validation, step = optimiser step.

    Returns:
        A function from a split's name to its scores, float32 `[N, C]`: softmax, or sigmoids.

    Raises:
        InputError: the loss is no longer finite.
    """
    torch.manual_seed(seed)
    classes = len(images.class_names)
    model = nn.Sequential(copy.deepcopy(encoder), nn.Linear(encoder.features, classes)).to(device)
    optimizer = optim.build(list(model.named_parameters()), {"optimizer": "sgd", "momentum": 0.9, **settings})
    augment = LightViews(images.images.shape[1]).to(device)
    pixels = torch.from_numpy(images.images[labelled])
    labels = torch.from_numpy(images.labels[labelled])
    weight = _balance(labels, classes).to(device) if class_weights == "balanced" and labels.ndim == 1 else None
    steps, every = settings["steps"], max(1, math.ceil(settings["steps"] / settings["validations"]))
    truth = images.labels[images.indices("val")]
    best, best_state, losses = -math.inf, copy.deepcopy(model.state_dict()), []

    with Progress(f"fine-tune on {len(labelled)} labels", steps) as progress:
        for step, index in enumerate(_batches(len(labelled), settings["batch_size"], steps), start=1):
            model.train()
            optim.set_lr(optimizer, optim.lr_at(step - 1, steps, 0, settings["lr"]))
            loss = _loss(model(augment(to_input(pixels[index].to(device)))), labels[index].to(device), weight)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            progress.advance()
            if step % every == 0 or step == steps:
                mean_loss = float(torch.stack(losses).mean())
                if not math.isfinite(mean_loss):
                    raise InputError(f"the loss is {mean_loss} while fine-tuning: take a lower evaluate.finetune.lr")
                values = measure(_scores(model, images, "val", device), truth, images.class_names)
                value = selection_score(values, images.multi_label)
                report("train_loss", mean_loss, step)
                report("val", value, step)
                losses = []
                if value > best:
                    best, best_state = value, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return lambda split: _scores(model, images, split, device)


def _loss(logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    if labels.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, labels.float())
    return F.cross_entropy(logits, labels, weight)


def _balance(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Return scikit-learn's "balanced" weights N / (C n_c), `[C]`; 0 for a class without images."""
    counts = torch.bincount(labels, minlength=classes).float()
    return torch.where(counts > 0, len(labels) / ((counts > 0).sum() * counts), 0.0)


def _batches(n: int, size: int, steps: int) -> list[torch.Tensor]:
    """Return `steps` batches of indices below n: pass after pass in new order; fewer than `size` if n is small."""
    size = min(size, n)
    passes = math.ceil(steps / (n // size))
    order = [torch.randperm(n)[: n - n % size] for _ in range(passes)]
    return list(torch.cat(order).split(size)[:steps])


@torch.no_grad()
def _scores(model: nn.Module, images: ImageSet, split: str, device: torch.device) -> np.ndarray:
    model.eval()
    rows = []
    for index in np.array_split(images.indices(split), max(1, len(images.indices(split)) // CHUNK)):
        logits = model(normalized(to_input(torch.from_numpy(images.images[index]).to(device)))).float()
        rows.append((logits.sigmoid() if images.multi_label else logits.softmax(dim=1)).cpu())
    return torch.cat(rows).numpy()
