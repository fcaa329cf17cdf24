"""Semixup (Nguyen et al. 2020, IEEE TMI, arXiv 2003.01944): learn from labelled and unlabelled images at once.

A batch of labelled images is mixed with itself for a cross-entropy. A batch of any training images, whose labels are
never read, must be classified alike in two views and mixed with another image, and a mixture as its ratio says.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.distributions import Beta
from torch.nn import functional as F

from repro.data import ImageSet
from repro.evaluate.labelled import Labelled
from repro.evaluate.training import Predictor, Report, batches, new_classifier, pixels_of, probabilities, train
from repro.pretrain.augment import LightViews
from repro.pretrain.encoder import Encoder


def semixup(
    encoder: Encoder,
    images: ImageSet,
    labelled: np.ndarray,
    settings: dict[str, Any],
    regularization: dict[str, Any],
    class_weights: str,
    seed: int,
    device: torch.device,
    report: Report,
) -> Predictor:
    """Train encoder and a linear classifier on all training images and return the best model's predictor.

    The encoder given is left as it is. The ratios of a mixture are drawn once for a batch [Semixup].

    Args:
        encoder: starting weights.
        images: the data set.
        labelled: indices of the images whose labels may be seen.
        settings: the `evaluate.finetune` settings; a step sees `batch_size` labelled and as many other images.
        regularization: the `semixup` settings.
        class_weights: "balanced" or "none"; see `Labelled`.
        seed: of order, augmentation, mixtures and the classifier's weights.
        device: where to train.
        report: as `train` calls it.

    Returns:
        A function from a split's name to its scores, float32 `[N, C]`: softmax, or sigmoids.

    Raises:
        InputError: the loss is no longer finite.
    """
    torch.manual_seed(seed)
    model = new_classifier(encoder, images, settings["precision"], device)
    augment = LightViews(images.images.shape[1]).to(device)
    known = Labelled(images, labelled, settings, class_weights, device)
    pool = images.pretraining
    order = batches(len(pool), settings["batch_size"], settings["steps"])
    alpha = torch.tensor(regularization["alpha"])
    labelled_ratios, ratios = Beta(alpha, alpha).sample(torch.Size([2, settings["steps"]])).tolist()

    def loss_at(step: int) -> torch.Tensor:
        pixels, labels = known.batch(step)
        partner = torch.randperm(len(pixels)).to(device)
        supervised = mixup_loss(model, augment(pixels), labels, partner, labelled_ratios[step], known.loss)
        pixels = pixels_of(images, pool[order[step].numpy()], device)
        partner = torch.randperm(len(pixels)).to(device)
        ratio = away_from_the_middle(ratios[step], regularization["min_ratio"])
        views = augment(pixels), augment(pixels)
        return supervised + consistency_loss(model, *views, partner, ratio, images.multi_label, regularization)

    return train(model, loss_at, images, settings, device, report, f"Semixup on {len(known)} labels")


def mixup_loss(
    model: nn.Module,
    views: torch.Tensor,
    labels: torch.Tensor,
    partner: torch.Tensor,
    ratio: float,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return the loss of images mixed with their partners, against both labels in the same ratio.

    Args:
        model: from images `[B, 3, H, W]` to logits `[B, C]`.
        views: augmented labelled images `[B, 3, H, W]`.
        labels: int `[B]`, or 0/1 `[B, C]`.
        partner: a permutation of the batch, `[B]`.
        ratio: the image's own share, in [0, 1].
        loss: from logits and labels to a mean loss.
    """
    logits = model(mixed(views, partner, ratio))
    return ratio * loss(logits, labels) + (1 - ratio) * loss(logits, labels[partner])


def consistency_loss(
    model: nn.Module,
    views: torch.Tensor,
    other_views: torch.Tensor,
    partner: torch.Tensor,
    ratio: float,
    multi_label: bool,
    settings: dict[str, Any],
) -> torch.Tensor:
    """Return the weighted sum of Semixup's three regularisers; no target is detached.

    With p the model's probabilities and MSE the mean over images and classes: two views of an image agree
    (in-manifold); so do a mixture of two images and the mixture of their logits (interpolation), and a mixture and
    either view of its main image (in- and out-of-manifold).

    Args:
        model: from images `[B, 3, H, W]` to logits `[B, C]`. Each of the three batches goes through it by itself, so
            that BatchNorm never sees images and mixtures together [Semixup].
        views: augmented images `[B, 3, H, W]`.
        other_views: the same images, augmented independently.
        partner: a permutation of the batch, `[B]`.
        ratio: the image's own share of its mixture, in [0.5, 1].
        multi_label: a sigmoid for every label in place of the softmax [us].
        settings: the weights `in_manifold`, `interpolation` and `out_of_manifold`.
    """
    logits = model(views)
    image, other, mixture, between = (
        probabilities(each, multi_label)
        for each in (
            logits,
            model(other_views),
            model(mixed(views, partner, ratio)),
            mixed(logits, partner, ratio),
        )
    )
    return (
        settings["in_manifold"] * F.mse_loss(other, image)
        + settings["interpolation"] * F.mse_loss(mixture, between)
        + settings["out_of_manifold"] * (F.mse_loss(image, mixture) + F.mse_loss(other, mixture))
    )


def mixed(rows: torch.Tensor, partner: torch.Tensor, ratio: float) -> torch.Tensor:
    """Return every row `[B, ...]` mixed with its partner's; `ratio` is its own share (Zhang et al. 2018)."""
    return ratio * rows + (1 - ratio) * rows[partner]


def away_from_the_middle(ratio: float, least: float) -> float:
    """Return the larger share of a mixture, at least `least`: then it is clear whose mixture it is [Semixup]."""
    return max(ratio, 1 - ratio, least)
