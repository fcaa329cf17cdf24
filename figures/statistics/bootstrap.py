"""How much a test metric would change with other test images: the bootstrap over images, within one run.

A resample of N images counts each of them some number of times, together N. Both metrics are exact functions of
these counts, so whole blocks of resamples are computed at once. [us]
"""

from collections.abc import Iterator

import numpy as np

from figures.statistics.estimates import LEVEL

RESAMPLES = {"balanced_accuracy": 1000, "mean_auc": 200}
"""Of each metric; an AUC of one resample costs as much as a hundred balanced accuracies."""

BLOCK = 4_000_000
"""Counts held at once."""


def interval(metric: str, scores: np.ndarray, labels: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Return the ends of the percentile interval of a metric over resampled test images.

    Args:
        metric: a key of RESAMPLES.
        scores: float `[N, C]`, higher means more likely.
        labels: int `[N]`, or 0/1 `[N, C]` where an image can have several.
        level: confidence level, in (0, 1).

    Returns:
        (low, high); a label that a resample lacks is left out of that resample's mean; NaN where none is ever there.
    """
    random = np.random.default_rng(0)  # the same numbers at every draw
    resample = _balanced_accuracies if metric == "balanced_accuracy" else _mean_aucs
    values = np.concatenate(list(resample(scores, labels, RESAMPLES[metric], random)))
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _balanced_accuracies(
    scores: np.ndarray, labels: np.ndarray, resamples: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    # Images of one class that are told rightly are alike, and so are those that are not: 2 C kinds of images.
    highest = scores == scores.max(axis=1, keepdims=True)
    right = (scores.argmax(axis=1) == labels) & (highest.sum(axis=1) == 1)  # a tie counts as wrong
    kinds = np.bincount(2 * labels + right, minlength=2 * scores.shape[1])
    counts = random.multinomial(len(labels), kinds / len(labels), size=resamples).reshape(resamples, -1, 2)
    with np.errstate(invalid="ignore"):
        yield _mean_of_defined(counts[..., 1] / counts.sum(axis=2))


def _mean_aucs(
    scores: np.ndarray, labels: np.ndarray, resamples: int, random: np.random.Generator
) -> Iterator[np.ndarray]:
    truth = labels if labels.ndim == 2 else labels[:, None] == np.arange(scores.shape[1])
    images, step = len(labels), max(1, BLOCK // len(labels))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        counts = random.multinomial(images, np.full(images, 1 / images), size=size)
        aucs = [_aucs(scores[:, c], truth[:, c] == 1, counts) for c in range(scores.shape[1])]
        yield _mean_of_defined(np.stack(aucs, axis=1))


def _aucs(scores: np.ndarray, positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve for each row of counts `[R, N]`: the share of pairs of a positive and a
    negative image in which the positive has the higher score, ties counting half.
    """
    order = np.argsort(scores, kind="stable")
    _, first = np.unique(scores[order], return_index=True)
    weights = counts[:, order]
    positives = np.add.reduceat(weights * positive[order], first, axis=1).astype(float)
    negatives = np.add.reduceat(weights * ~positive[order], first, axis=1).astype(float)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (positives * below).sum(axis=1) / pairs


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row over its finite values; NaN where there is none."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)
