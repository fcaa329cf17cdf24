"""FixMatch (Sohn et al. 2020): an image's strong view must get the answer that its weak view gets with confidence.

With several strong views of each image they all must: multi-path consistency, with one network [us].
"""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from repro.data import ImageSet
from repro.evaluate.labelled import Labelled
from repro.evaluate.training import Predictor, Report, batches, new_classifier, pixels_of, train
from repro.pretrain.augment import LightViews, TwoViews
from repro.pretrain.encoder import Encoder


def fixmatch(
    encoder: Encoder,
    images: ImageSet,
    labelled: np.ndarray,
    settings: dict[str, Any],
    consistency: dict[str, Any],
    augment: dict[str, Any],
    class_weights: str,
    seed: int,
    device: torch.device,
    report: Report,
) -> Predictor:
    """Train encoder and a linear classifier on all training images and return the best model's predictor.

    The encoder given is left as it is. Labelled and unlabelled images go through the network together, weak and strong
    views too, so that BatchNorm sees them all [FixMatch].

    Args:
        encoder: starting weights.
        images: the data set.
        labelled: indices of the images whose labels may be seen.
        settings: the `evaluate.finetune` settings; a step sees `batch_size` labelled and `ratio` times as many others.
        consistency: the `fixmatch` settings.
        augment: the `augment` settings, of strong views; weak ones are those of fine-tuning.
        class_weights: "balanced" or "none"; see `Labelled`.
        seed: of order, augmentation and the classifier's weights.
        device: where to train.
        report: as `train` calls it.

    Returns:
        A function from a split's name to its scores, float32 `[N, C]`: softmax, or sigmoids.

    Raises:
        InputError: the loss is no longer finite.
    """
    torch.manual_seed(seed)
    model = new_classifier(encoder, images, settings["precision"], device)
    size, paths = images.images.shape[1], consistency["paths"]
    weak, strong = LightViews(size).to(device), TwoViews(size, augment).to(device)
    known = Labelled(images, labelled, settings, class_weights, device)
    pool = images.pretraining
    order = batches(len(pool), consistency["ratio"] * settings["batch_size"], settings["steps"])

    def loss_at(step: int) -> torch.Tensor:
        pixels, labels = known.batch(step)
        others = pixels_of(images, pool[order[step].numpy()], device)
        views = [weak(others), *(strong.one(others, path % 2) for path in range(paths))]
        logits = model(torch.cat([weak(pixels), *views]))
        own, answers, *guesses = logits.split([len(pixels), *[len(others)] * (1 + paths)])
        agreement = torch.stack(
            [consistency_loss(answers, each, consistency["threshold"], images.multi_label) for each in guesses]
        ).mean()
        return known.loss(own, labels) + consistency["weight"] * agreement

    return train(model, loss_at, images, settings, device, report, f"FixMatch on {len(known)} labels")


def consistency_loss(weak: torch.Tensor, strong: torch.Tensor, threshold: float, multi_label: bool) -> torch.Tensor:
    """Return the mean over images of the cross-entropy with confident answers; others count 0 (eq. 4).

    With several labels each label has an answer, confident where its probability is at least the threshold or at most 1
    minus it; the mean is over images and labels [us].

    Args:
        weak: logits of weakly augmented images `[B, C]`; no gradient goes through them.
        strong: logits of strongly augmented ones `[B, C]`.
        threshold: probability from which on an answer counts.
        multi_label: whether an image can have several labels.
    """
    if multi_label:
        chance = weak.detach().sigmoid()
        sure = torch.maximum(chance, 1 - chance) >= threshold
        each = F.binary_cross_entropy_with_logits(strong, (chance > 0.5).to(strong.dtype), reduction="none")
        return (each * sure).mean()
    chance, answer = weak.detach().softmax(dim=1).max(dim=1)
    return (F.cross_entropy(strong, answer, reduction="none") * (chance >= threshold)).mean()
