"""Frozen features of every image, computed once."""

import numpy as np
import torch

from repro.data import ImageSet
from repro.pretrain.encoder import Encoder, normalized, to_input

CHUNK = 512

SHOWN, SEED = 500, 0
"""Test images whose features are stored, and which: the same ones in every run of a study, whatever its seed."""


@torch.no_grad()
def extract(encoder: Encoder, images: ImageSet, device: torch.device, indices: np.ndarray) -> np.ndarray:
    """Return the encoder's features h of images, without augmentation, in eval mode.

    Args:
        encoder: the weights; it is left in eval mode.
        images: the data set.
        device: where the encoder is.
        indices: which images, int64 `[n]`; no other is read.

    Returns:
        float32 `[N, D]`: a row for every image of the data set; NaN for those not asked for.
    """
    encoder.eval()
    features = np.full((len(images.images), encoder.features), np.nan, np.float32)
    ascending = np.sort(indices)
    for start in range(0, len(ascending), CHUNK):
        some = ascending[start : start + CHUNK]
        pixels = torch.from_numpy(images.images[some]).to(device)
        features[some] = encoder(normalized(to_input(pixels))).float().cpu().numpy()
    return features


def shown(features: np.ndarray, images: ImageSet) -> dict[str, np.ndarray]:
    """Return the features of a few test images, for a map of them.

    Args:
        features: float32 `[N, D]`, a row for every image.
        images: the data set.

    Returns:
        features float16 `[n, D]`, cut to the range of that type; labels; indices int64 `[n]`, ascending; n <= 500.
    """
    indices = np.sort(np.random.default_rng(SEED).permutation(images.indices("test"))[:SHOWN])
    limit = np.finfo(np.float16).max
    half = np.clip(features[indices], -limit, limit).astype(np.float16)
    return {"features": half, "labels": images.labels[indices], "indices": indices}
