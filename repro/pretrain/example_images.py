"""Pictures of a pretraining, small enough to be stored with its run: images with their views, and with their partners.

Whose pictures they are depends on the data set and the order of training alone; nothing that a run draws is touched.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from repro.data import ImageSet
from repro.data.imageset import UNLABELLED
from repro.data.subsets import strata
from repro.pretrain.augment import TwoViews
from repro.pretrain.encoder import to_input, to_stored

VIEWED, QUERIES = 6, 8
"""Images that are shown with their views, and with their partners."""

SIDE = 96
"""Pixels; larger pictures are reduced."""

SEED = 0
"""Of which images are viewed and how: the same ones in every run of a study, whatever its seed."""


def viewed(images: ImageSet, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return training images with two views each, drawn on the CPU, so that every machine shows the same.

    Args:
        images: the data set; n = 6 of its training images are shown, of as many classes as there are.
        config: the whole config.

    Returns:
        original uint8 `[n, H, W, C]`, first and second uint8 `[n, S, S, 3]`, and labels.
    """
    train = np.random.default_rng(SEED).permutation(images.indices("train"))
    shown = train[spread(strata(images.labels[train]), VIEWED)]
    pixels = np.asarray(images.images[shown])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed would seed the GPU, too
        views = TwoViews(config["data"]["size"], config["augment"])(to_input(torch.from_numpy(pixels)))
    first, second = (reduced(to_stored(view).numpy()) for view in views)
    return {"original": reduced(pixels), "first": first, "second": second, "labels": images.labels[shown]}


def partnered(images: ImageSet, choices: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return images of a batch with the partner that each selector chose for them.

    Args:
        images: the data set.
        choices: from `Choices.read`; n = 8 images that have a partner by every selector are shown, of as many classes
            as there are, in the order of the batch; none without a known label.

    Returns:
        queries uint8 `[n, H, W, C]` and labels; SELECTOR/images and SELECTOR/labels of their partners.
    """
    train = images.pretraining
    known = torch.from_numpy(images.split[train] != UNLABELLED)
    paired = torch.stack([(at >= 0) & known[at] for at in choices.values()]).all(dim=0).numpy()
    chosen = {name: train[position.numpy()[paired]] for name, position in choices.items()}
    batch = chosen.pop("batch")
    shown = spread(strata(images.labels[batch]), QUERIES)
    arrays = {"queries": reduced(images.images[batch[shown]]), "labels": images.labels[batch[shown]]}
    for name, partners in sorted(chosen.items()):  # a checkpoint keeps no order, and the same run has the same bytes
        arrays[f"{name}/images"] = reduced(images.images[partners[shown]])
        arrays[f"{name}/labels"] = images.labels[partners[shown]]
    return arrays


def spread(stratum: np.ndarray, n: int) -> np.ndarray:
    """Return the places of at most n members: the first of every stratum, then the second of each, and so on.

    Args:
        stratum: int `[N]`.
        n: how many.
    """
    turn = np.zeros(len(stratum), dtype=np.int64)
    for number in np.unique(stratum):
        turn[stratum == number] = np.arange(np.count_nonzero(stratum == number))
    return np.argsort(turn, kind="stable")[:n]


def reduced(pictures: np.ndarray) -> np.ndarray:
    """Return square pictures uint8 `[n, H, W, C]` with at most `SIDE` pixels a side, antialiased."""
    n, side, _, channels = pictures.shape
    if side <= SIDE:
        return np.asarray(pictures)
    small = np.empty((n, SIDE, SIDE, channels), dtype=np.uint8)
    for picture, place in zip(pictures, small, strict=True):
        image = Image.fromarray(picture if channels == 3 else picture[:, :, 0])
        place[:] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).reshape(place.shape)
    return small
