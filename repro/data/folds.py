"""Stratified folds that keep groups together, the same on every machine.

The rule is that of scikit-learn's StratifiedGroupKFold from release 1.8 on. Earlier releases shuffle otherwise, so that
a seed names other folds there, and a later one may. A published split must not depend on that, so the rule is written
out here, in single additions, products and roots, which IEEE arithmetic rounds alike everywhere, and with RandomState,
whose stream numpy has frozen. Up to seven strata the folds are scikit-learn's; beyond, it adds up in another order, and
ties fall otherwise.
"""

import math

import numpy as np

RELATIVE, ABSOLUTE = 1e-5, 1e-8
"""Differences between two folds' spreads that count as none."""


def grouped_folds(stratum: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return folds of about equal size and equal shares of every stratum, as far as groups allow.

    Groups come one by one, those with the most uneven strata first, equals in random order. Each goes to the fold in
    which it leaves the strata's shares most even over all folds; among equals, to the smallest.

    Args:
        stratum: int `[N]`, e.g. the class.
        groups: int `[N]`, equal for images that must stay together.
        folds: how many.
        seed: which random order.

    Returns:
        The fold of every image, int64 `[N]` in 0..folds-1.
    """
    column = np.unique(stratum, return_inverse=True)[1]
    row = np.unique(groups, return_inverse=True)[1]
    counts = np.zeros((row.max() + 1, column.max() + 1))
    np.add.at(counts, (row, column), 1.0)
    shuffled = np.random.RandomState(seed).permutation(len(counts))
    order = shuffled[np.argsort(-_deviation(counts[shuffled].T), kind="stable")]

    total = counts.sum(axis=0)
    held = np.zeros((folds, counts.shape[1]))
    sizes = [0.0] * folds
    each = np.arange(folds)
    fold_of = np.empty(len(counts), dtype=np.int64)
    for group in order:
        tried = np.repeat(held[:, None], folds, axis=1)  # [fold, fold the group is tried in, stratum]
        tried[each, each] += counts[group]
        spreads = _mean(_deviation(tried / total).T)
        best = _lowest(spreads.tolist(), sizes)
        held[best] += counts[group]
        sizes[best] = float(held[best].sum())
        fold_of[group] = best
    return fold_of[row]


def _lowest(spreads: list[float], sizes: list[float]) -> int:
    best, lowest, smallest = 0, math.inf, math.inf
    for fold, (spread, size) in enumerate(zip(spreads, sizes, strict=True)):
        equal = abs(spread - lowest) <= ABSOLUTE + RELATIVE * lowest < math.inf
        if spread < lowest or (equal and size < smallest):
            best, lowest, smallest = fold, spread, size
    return best


def _mean(rows: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis, added up in order: numpy's own order depends on shape and release."""
    return np.add.accumulate(rows)[-1] / len(rows)


def _deviation(rows: np.ndarray) -> np.ndarray:
    """Return the standard deviation over the first axis."""
    centred = rows - _mean(rows)
    return np.sqrt(_mean(centred * centred))
