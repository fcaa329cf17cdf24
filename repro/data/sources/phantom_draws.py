"""The random numbers of phantom scenes: an image's own, shared by a patient's images, or set apart by class."""

import numpy as np


class Draws:
    """Uniform draws for N images, each an array `[N, 1, 1]` or `[N, 1, 1, K]`, fit for drawing images at once.

    Args:
        labels: int64 `[N]`.
        patients: int64 `[N]`, numbered from 0.
        rng: draws everything, in an order that does not depend on the labels.
    """

    def __init__(self, labels: np.ndarray, patients: np.ndarray, rng: np.random.Generator) -> None:
        self._labels, self._patients, self._rng = labels, patients, rng

    def own(self, low: float, high: float, *k: int) -> np.ndarray:
        """Draw a value for every image."""
        return self._rng.uniform(low, high, (len(self._labels), 1, 1, *k))

    def shared(self, low: float, high: float, *k: int) -> np.ndarray:
        """Draw a value for every patient, the same for all images of one."""
        return self.own(low, high, *k)[self._patients]

    def where(self, label: int, there: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
        """Take `there` for the images of a class and `elsewhere` for the others; both are always drawn."""
        mask = (self._labels == label).reshape(-1, *[1] * (there.ndim - 1))
        return np.where(mask, there, elsewhere)
