"""A linear classifier on frozen features in closed form: what a quick look at an encoder needs."""

import numpy as np
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PENALTIES = [1.0, 10.0, 100.0, 1000.0]
"""Ridge penalties tried; leaving one image out at a time, which has a closed form too, chooses. [us]"""


def predict(features: np.ndarray, labels: np.ndarray, classes: int, queries: np.ndarray) -> np.ndarray:
    """Return scores `[Q, C]` of ridge regression from standardised features to 0/1 labels.

    Classes weigh the same; a class without labelled images scores lowest.

    Args:
        features: labelled images' features `[N, D]`.
        labels: int `[N]`, or 0/1 `[N, C]`.
        classes: C.
        queries: features to classify `[Q, D]`.
    """
    if labels.ndim == 2:
        return make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features, labels.astype(float)).predict(queries)
    known = np.unique(labels)
    if len(known) == 1:
        return np.eye(classes)[np.full(len(queries), known[0])]
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES, class_weight="balanced"))
    found = model.fit(features, labels).decision_function(queries)
    if len(known) == 2:
        found = np.stack([-found, found], axis=1)
    scores = np.full((len(queries), classes), found.min() - 1)
    scores[:, known] = found
    return scores
