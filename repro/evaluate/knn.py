"""k nearest neighbours on frozen features: does the neighbourhood know the label?"""

from typing import Any

import numpy as np
from sklearn.neighbors import KNeighborsRegressor


def predict(
    features: np.ndarray, labels: np.ndarray, classes: int, queries: np.ndarray, settings: dict[str, Any]
) -> np.ndarray:
    """Return scores float `[Q, C]`: each class's share of the votes of the k nearest by cosine.

    A neighbour's vote is exp(cosine / temperature) (Wu et al. 2018). Labels enter as 0/1 columns, so one class
    per image and several labels per image are the same computation.

    Equal votes, as of duplicates with different labels or of a collapsed encoder, stay equal: `measure` counts them as
    ties.

    Args:
        features: labelled images' features `[N, D]`.
        labels: int `[N]` or 0/1 `[N, C]`.
        classes: C.
        queries: features to classify `[Q, D]`.
        settings: k and temperature; with fewer than k labelled images all of them vote.
    """
    targets = labels.astype(float) if labels.ndim == 2 else np.eye(classes)[labels]

    def votes(
        distance: np.ndarray,
    ) -> np.ndarray:  # exp((1 - distance) / T), up to a factor common to a query
        return np.exp((distance.min(axis=1, keepdims=True) - distance) / settings["temperature"])

    neighbours = KNeighborsRegressor(
        min(settings["k"], len(features)), weights=votes, metric="cosine", algorithm="brute"
    )
    return neighbours.fit(features, targets).predict(queries)
