"""Images that occur twice: with the same pixels, or altered a little.

The same pixels are found by a hash of the bytes. Images altered by brightness, contrast, noise, compression or a
very small crop are found in two steps. A perceptual hash (the signs of an image's 8 x 8 lowest cosine frequencies
about their median) proposes pairs, and the correlation of the 16 x 16 lowest ones confirms them. The first step
alone does not do for small medical images, which are smooth and all alike: of the 4,111 pairs it proposes on
DermaMNIST at 28 px and distance 8, 4 % show the same lesion; of the 123 that are confirmed, 99 % do.
Mirrored or turned images are not looked for.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from repro.progress import Progress

DISTANCE = 8
"""Bits of 64 by which the hashes of near duplicates may differ. On 500 DermaMNIST images, JPEG at quality 50 changes
at most this many in 99 %; between unlike images it is about 32. [us]"""

CORRELATION = 0.98
"""Least correlation of near duplicates. Of the pairs on DermaMNIST at 28 px, 95 % show one lesion from 0.97 on, 99 %
from 0.98 on, and 0.99 loses a fifth of them for nothing. Below 0.98 come chests of PneumoniaMNIST that look alike but
are not the same picture, and dark spots on light skin. [us]"""

CONTRAST = 1.0
"""Standard deviation, in grey levels, below which an image has nothing to compare: its hash would be that of its
rounding errors, and all flat images would match. The least on real data was 4. [us]"""

SIDE, KEPT, HASHED = 32, 16, 8
"""Pixels per side of the reduced image, and the frequencies per side that are compared and hashed. [us]"""

GREY = {1: np.ones(1, np.float32), 3: np.array([0.299, 0.587, 0.114], np.float32)}
"""Weights of the channels in grey, by their number (ITU-R BT.601)."""

CHUNK_BYTES = 2**24
"""Bytes of images read at once."""

ROWS, COLUMNS, PAIRS = 64, 8192, 2**14
"""Hashes compared at once (so many with so many: what stays in a processor's cache), and pairs confirmed at once."""


@dataclass(frozen=True)
class Prints:
    """What is compared of N images in place of their pixels.

    Args:
        content: int64 `[N]`, the index of the first image with the same pixels.
        hashes: uint64 `[N]`, perceptual hashes; 32 bits of each are set, so distances are even.
        waves: float32 `[N, 255]`, low frequencies without the mean, of length 1: products are correlations.
        featureless: bool `[N]`, whether the image is too flat for the two above to mean anything.
    """

    content: np.ndarray
    hashes: np.ndarray
    waves: np.ndarray
    featureless: np.ndarray


def fingerprints(images: np.ndarray) -> Prints:
    """Return the fingerprints of images, which are read once and in order.

    Args:
        images: uint8 `[N, H, W, C]`, C is 1 or 3; may be memory-mapped.
    """
    n = len(images)
    content, hashes = np.empty(n, np.int64), np.empty(n, np.uint64)
    waves, featureless = np.empty((n, KEPT**2 - 1), np.float32), np.empty(n, bool)
    first: dict[bytes, int] = {}
    step = max(1, CHUNK_BYTES // max(1, images[:1].nbytes))
    with Progress("fingerprints", n, "image") as progress:
        for start in range(0, n, step):
            chunk, part = np.ascontiguousarray(images[start : start + step]), slice(start, start + step)
            for index, image in enumerate(chunk, start):
                content[index] = first.setdefault(hashlib.blake2b(image.data, digest_size=16).digest(), index)
            low = low_frequencies(chunk)
            hashes[part] = perceptual_hash(low)
            spread = low.reshape(len(low), -1)[:, 1:]
            length = np.linalg.norm(spread, axis=1, keepdims=True)
            waves[part] = spread / np.maximum(length, 1e-6)
            featureless[part] = length[:, 0] / SIDE < CONTRAST
            progress.advance(len(chunk))
    return Prints(content, hashes, waves, featureless)


def low_frequencies(images: np.ndarray) -> np.ndarray:
    """Return the lowest cosine frequencies of grey images brought to 32 x 32 by the mean over areas.

    Args:
        images: uint8 `[N, H, W, C]`.

    Returns:
        float32 `[N, 16, 16]`, coefficients of the orthonormal DCT-II; `[:, 0, 0]` is 32 times the mean grey value.
    """
    from scipy.fft import dct  # takes long to import

    rows, columns = (dct(_area_mean(n), axis=0, norm="ortho")[:KEPT].astype(np.float32) for n in images.shape[1:3])
    grey = images @ GREY[images.shape[3]]
    return rows @ (grey @ columns.T)


def perceptual_hash(low: np.ndarray) -> np.ndarray:
    """Return which of the 8 x 8 lowest frequencies are above their median, as uint64 `[N]`.

    Args:
        low: float32 `[N, 16, 16]`, see `low_frequencies`.
    """
    # Rounded, so that frequencies an image does not have are equal rather than noise around zero.
    low = low[:, :HASHED, :HASHED].reshape(len(low), -1).round(1)
    above = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(above, axis=1).view(np.uint64)[:, 0]


def close_pairs(hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Yield every pair of hashes that differ in at most `distance` bits, block by block.

    All are compared with all: 112,120 hashes take 10 to 20 s on one core, at any distance and however they cluster.

    Args:
        hashes: uint64 `[N]`.
        distance: 0 to 64.

    Yields:
        int64 `[P, 2]` with the first index below the second; P >= 1.
    """
    n = len(hashes)
    with Progress("comparing", n, "image") as progress:
        for top in range(0, n, ROWS):
            rows = hashes[top : top + ROWS, None]
            for left in range(top, n, COLUMNS):
                near = np.bitwise_count(rows ^ hashes[left : left + COLUMNS]) <= distance
                row, column = np.nonzero(near)
                pairs = np.stack([row + top, column + left], axis=1)
                pairs = pairs[pairs[:, 0] < pairs[:, 1]]
                if len(pairs):
                    yield pairs
            progress.advance(len(rows))


def near_duplicates(prints: Prints, among: np.ndarray, distance: int = DISTANCE) -> Iterator[np.ndarray]:
    """Yield the pairs of images that look the same but have not the same pixels, block by block.

    Args:
        prints: fingerprints of N images.
        among: int64, ascending: the images to compare. Featureless ones are passed over.
        distance: bits in which hashes may differ.

    Yields:
        int64 `[P, 2]`, indices below N, with the first below the second; P >= 1.
    """
    among = among[~prints.featureless[among]]
    for block in close_pairs(prints.hashes[among], distance):
        for start in range(0, len(block), PAIRS):
            pairs = among[block[start : start + PAIRS]]
            first, second = pairs.T
            alike = np.einsum("pk,pk->p", prints.waves[first], prints.waves[second]) >= CORRELATION
            confirmed = pairs[alike & (prints.content[first] != prints.content[second])]
            if len(confirmed):
                yield confirmed


def _area_mean(n: int) -> np.ndarray:
    """Return the float64 `[32, n]` matrix that brings n pixels in a line to 32, each the mean of what it covers."""
    edges = np.arange(SIDE + 1)[:, None] * n / SIDE
    covered = np.minimum(edges[1:], np.arange(1, n + 1)) - np.maximum(edges[:-1], np.arange(n))
    return covered.clip(0) * SIDE / n
