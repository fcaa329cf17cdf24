"""Images of noise: what takes time does not depend on what they show."""

import numpy as np

from repro.data import ImageSet


def noise(images: int, size: int, channels: int = 3) -> ImageSet:
    """Return so many training images `[N, size, size, channels]` of two classes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, size, size, channels), dtype=np.uint8)
    split = np.full(images, "train")
    return ImageSet("noise", pixels, np.arange(images) % 2, split, ("a", "b"), stored_sha256="none")
