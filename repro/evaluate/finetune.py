"""Fine-tune the whole network on a label fraction."""

from typing import Any

import numpy as np
import torch

from repro.data import ImageSet
from repro.evaluate.labelled import Labelled
from repro.evaluate.training import Predictor, Report, new_classifier, train
from repro.pretrain.augment import LightViews
from repro.pretrain.encoder import Encoder, normalized


def finetune(
    encoder: Encoder,
    images: ImageSet,
    labelled: np.ndarray,
    settings: dict[str, Any],
    class_weights: str,
    seed: int,
    device: torch.device,
    report: Report,
) -> Predictor:
    """Train encoder and a linear classifier on the labelled images and return the best model's predictor.

    The encoder given is left as it is.

    Args:
        encoder: starting weights.
        images: the data set.
        labelled: indices of the images whose labels may be seen.
        settings: the `evaluate.finetune` settings.
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
    augment = LightViews(images.images.shape[1]).to(device) if settings["augment"] else normalized
    known = Labelled(images, labelled, settings, class_weights, device)

    def loss_at(step: int) -> torch.Tensor:
        pixels, labels = known.batch(step)
        return known.loss(model(augment(pixels)), labels)

    return train(model, loss_at, images, settings, device, report, f"fine-tune on {len(known)} labels")
