"""Frozen features of every image, computed once."""

import numpy as np
import torch

from repro.data import ImageSet
from repro.pretrain.encoder import Encoder, normalized, to_input

CHUNK = 512


@torch.no_grad()
def extract(encoder: Encoder, images: ImageSet, device: torch.device) -> np.ndarray:
    """Return the encoder's features h of all images, without augmentation, in eval mode: float32 `[N, D]`."""
    encoder.eval()
    rows = []
    for start in range(0, len(images.images), CHUNK):
        pixels = torch.from_numpy(np.array(images.images[start : start + CHUNK])).to(device)
        rows.append(encoder(normalized(to_input(pixels))).float().cpu())
    return torch.cat(rows).numpy()
