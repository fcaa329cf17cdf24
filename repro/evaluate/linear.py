"""Logistic regression on frozen features."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MAX_ITERATIONS = 500


def best_probe(
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    score: Callable[[Callable[[np.ndarray], np.ndarray]], float],
    settings: dict[str, Any],
    class_weights: str,
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit one probe per inverse L2 strength and return the one with the best validation score.

    Args:
        features: labelled images' features `[N, D]`.
        labels: int `[N]` or 0/1 `[N, C]`.
        classes: C.
        score: maps a probe to its validation score; higher is better.
        settings: `c`, the strengths tried.
        class_weights: "balanced" or "none"; several labels per image are never weighted.

    Returns:
        A function from features `[Q, D]` to scores `[Q, C]` in [0, 1].
    """
    probes = [fit(features, labels, classes, c, class_weights) for c in settings["c"]]
    scores = [score(probe) for probe in probes]
    return probes[int(np.argmax(scores))]


def fit(
    features: np.ndarray, labels: np.ndarray, classes: int, c: float, class_weights: str = "none"
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit one probe: softmax over classes, or one sigmoid per label.

    A class without a labelled image gets the score 0; a label that all or none of the images have, its rate.
    """
    if labels.ndim == 2:
        columns = [_fit_one(features, labels[:, k], c) for k in range(classes)]
        return lambda queries: np.stack([column(queries) for column in columns], axis=1)
    model = _fitted(features, labels, c, None if class_weights == "none" else class_weights)
    known = model[-1].classes_

    def probabilities(queries: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(queries), classes))
        scores[:, known] = model.predict_proba(queries)
        return scores

    return probabilities


def _fit_one(features: np.ndarray, label: np.ndarray, c: float) -> Callable[[np.ndarray], np.ndarray]:
    if label.all() or not label.any():
        rate = float(label.mean())
        return lambda queries: np.full(len(queries), rate)
    model = _fitted(features, label, c)
    return lambda queries: model.predict_proba(queries)[:, 1]


def _fitted(features: np.ndarray, labels: np.ndarray, c: float, class_weight: str | None = None) -> Any:
    probe = LogisticRegression(C=c, max_iter=MAX_ITERATIONS, class_weight=class_weight)
    model = make_pipeline(StandardScaler(), probe)
    with warnings.catch_warnings():
        # Not to have converged fully is one more regulariser; the validation split decides as ever.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)
