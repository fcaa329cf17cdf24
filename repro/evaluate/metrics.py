"""The numbers of a table, from test scores and labels (scikit-learn's definitions)."""

import functools
import logging
from collections.abc import Sequence

import numpy as np
from sklearn import metrics as sk

from repro.errors import InputError

log = logging.getLogger("repro.evaluate")

UNDECIDED = -1
"""What a tie predicts: no class."""


def main_metric(multi_label: bool) -> str:
    """Return the metric that chooses models and fills tables: balanced accuracy is ISIC 2019's own."""
    return "mean_auc" if multi_label else "balanced_accuracy"


def selection_score(values: dict[str, float], multi_label: bool, by: str = "main") -> float:
    """Return what chooses a model on the validation split, over the labels for which it is defined.

    Args:
        values: from `measure`.
        multi_label: whether images can have several labels.
        by: "main" for the main metric, "auc" for macro AUC; for several labels they are the same.

    Raises:
        InputError: it is defined for none.
    """
    if not multi_label:
        value = values["balanced_accuracy" if by == "main" else "macro_auc"]
        if np.isnan(value):
            raise InputError(
                "the validation split has images of one class only, so AUC cannot choose a model; set "
                "evaluate.finetune.choose_by=main, or add images of another class"
            )
        return value
    defined = [value for name, value in values.items() if name.startswith("auc_") and not np.isnan(value)]
    if not defined:
        raise InputError("no label has both positives and negatives in the validation split: it can choose no model")
    return float(np.mean(defined))


def ties(scores: np.ndarray) -> np.ndarray:
    """Return bool `[N]`: in which rows of scores `[N, C]` several classes share the highest score."""
    return (scores == scores.max(axis=1, keepdims=True)).sum(axis=1) > 1


def measure(scores: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """Return every metric of a set of predictions.

    Args:
        scores: float `[N, C]`, higher means more likely; for several labels, each column by itself.
        labels: int `[N]`, or 0/1 `[N, C]` where an image can have several.
        class_names: C names, for warnings.

    Returns:
        Multi-class: balanced_accuracy, accuracy, macro_auc (one against rest; of two classes the second's, as in
        MedMNIST's evaluator), macro_f1. A tie (the highest score
        shared by several classes) is no prediction: it is wrong in balanced_accuracy, as in ISIC 2019's own scorer
        (isic-challenge-scoring), and in macro_f1. In accuracy its first class counts, as in MedMNIST's evaluator.
        Multi-label: mean_auc, mean_average_precision, and the AUC of every label under its `metric_names`.
        A class that all or none of the N images have has no AUC (NaN), and a label without positives no average
        precision; they are left out of the means, and a warning names them. A mean over nothing is NaN.
    """
    if labels.ndim == 2:
        return _multi_label(scores, labels, class_names)
    first, present = scores.argmax(axis=1), np.unique(labels)
    predicted = np.where(ties(scores), UNDECIDED, first)
    # Of two classes the second's: the first's is the same but for rounding, which ties more scores near 1 than near 0.
    asked = range(1, 2) if scores.shape[1] == 2 else range(scores.shape[1])
    aucs = _aucs(scores[:, asked], labels[:, None] == np.array(asked), [class_names[c] for c in asked])
    return {
        "balanced_accuracy": float(
            sk.recall_score(labels, predicted, labels=present, average="macro", zero_division=0)
        ),
        "accuracy": float(sk.accuracy_score(labels, first)),
        "macro_auc": _mean(aucs),
        "macro_f1": float(sk.f1_score(labels, predicted, average="macro", labels=present, zero_division=0)),
    }


def _multi_label(scores: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    aucs = _aucs(scores, labels == 1, class_names)
    precisions = [
        float(sk.average_precision_score(labels[:, c], scores[:, c])) if labels[:, c].any() else float("nan")
        for c in range(labels.shape[1])
    ]
    each = dict(zip(metric_names(class_names), aucs, strict=True))
    return {"mean_auc": _mean(aucs), "mean_average_precision": _mean(precisions), **each}


def metric_names(class_names: Sequence[str]) -> list[str]:
    """Return the name of each label's AUC, no two alike: auc_Pleural_thickening; one taken already gets a number."""
    names: list[str] = []
    plain = [f"auc_{name.replace(' ', '_')}" for name in class_names]
    for position, name in enumerate(plain):
        free = name
        number = 2
        while free in names or (free != name and free in plain[position:]):
            free, number = f"{name}_{number}", number + 1
        names.append(free)
    return names


def _mean(values: Sequence[float]) -> float:
    """Return the mean over what is defined; NaN where nothing is."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _aucs(scores: np.ndarray, truth: np.ndarray, class_names: Sequence[str]) -> list[float]:
    aucs = []
    for c, name in enumerate(class_names):
        if truth[:, c].all() or not truth[:, c].any():
            _say_undefined(name, "negatives" if truth[:, c].any() else "positives", len(truth))
            aucs.append(float("nan"))
        else:
            aucs.append(float(sk.roc_auc_score(truth[:, c], scores[:, c])))
    return aucs


def say_again() -> None:
    """Warn anew of labels without an AUC: every run's record has its own warnings."""
    _say_undefined.cache_clear()


@functools.cache
def _say_undefined(name: str, lacking: str, images: int) -> None:
    """Warn that a label has no AUC; once a run, however often its split is measured."""
    log.warning("'%s' has no %s among %d images: it has no AUC and is left out of the mean", name, lacking, images)
