"""Metrics against their definitions, worked by hand or by plain loops."""

import logging

import numpy as np
import pytest
from medmnist.evaluator import getACC, getAUC

from repro.errors import InputError
from repro.evaluate.metrics import measure, metric_names, selection_score, ties

RNG = np.random.default_rng(0)


def auc_by_pairs(scores: np.ndarray, truth: np.ndarray) -> float:
    """The chance that a positive scores higher than a negative: every pair counted."""
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[truth] for n in scores[~truth]]
    return float(np.mean(pairs))


def test_multi_class_metrics_equal_their_definitions():
    labels = RNG.integers(0, 3, 60)
    scores = RNG.random((60, 3)).round(1)
    first = [max(range(3), key=lambda c: (scores[i, c], -c)) for i in range(60)]
    tied = [sorted(scores[i])[-1] == sorted(scores[i])[-2] for i in range(60)]
    assert 0 < sum(tied) < 20
    predicted = ["none" if tied[i] else first[i] for i in range(60)]
    values = measure(scores, labels, "abc")
    recalls, f1s = [], []
    for c in range(3):
        hits = sum(p == c == t for p, t in zip(predicted, labels, strict=True))
        recalls.append(hits / (labels == c).sum())
        f1s.append(2 * hits / ((labels == c).sum() + predicted.count(c)))
    assert values["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert values["macro_f1"] == pytest.approx(np.mean(f1s))
    assert values["accuracy"] == pytest.approx(np.mean(np.array(first) == labels))
    assert values["macro_auc"] == pytest.approx(np.mean([auc_by_pairs(scores[:, c], labels == c) for c in range(3)]))


def test_a_tie_is_wrong_in_balanced_accuracy_as_isics_scorer_has_it():
    """Worked by hand with isic-challenge-scoring 5.6.0: a row with several maxima is 'undecided'."""
    scores = np.array([[0.5, 0.5, 0], [0.2, 0.4, 0.4], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], dtype=np.float32)
    labels = np.array([0, 1, 1, 2])
    assert measure(scores, labels, "abc")["balanced_accuracy"] == pytest.approx((0 + 1 / 2 + 1) / 3)
    assert ties(scores).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("task", "classes"), [("multi-class", 4), ("binary-class", 2)])
def test_accuracy_and_auc_are_those_of_medmnists_evaluator_ties_counted(task: str, classes: int):
    labels = np.append(RNG.integers(0, classes, 200), np.arange(classes))
    shares = RNG.integers(0, 4, (len(labels), classes)) + (np.arange(classes) == 0)
    scores = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    assert ties(scores).sum() > 5
    values = measure(scores, labels, "abcd"[:classes])
    assert values["accuracy"] == pytest.approx(getACC(labels[:, None], scores, task), abs=1e-12)
    assert values["macro_auc"] == pytest.approx(getAUC(labels[:, None], scores, task), abs=1e-12)


def test_of_two_classes_the_auc_is_medmnists_where_float32_ties_one_column_alone():
    """Shares of votes such as 1e-9 and 1e-8: near 0 they differ, and what is left to 1 is 1 for both."""
    labels = np.append(RNG.integers(0, 2, 400), [0, 1])
    share = 10 ** RNG.uniform(-12, 0, len(labels)) * (0.2 + 0.8 * labels)
    scores = np.stack([1 - share, share], axis=1).astype(np.float32)
    assert len(np.unique(scores[:, 0])) < len(np.unique(scores[:, 1]))
    expected = getAUC(labels[:, None], scores, "binary-class")
    assert measure(scores, labels, "ab")["macro_auc"] == pytest.approx(expected, abs=1e-12)


def test_multi_label_metrics_equal_their_definitions():
    labels = RNG.integers(0, 2, (40, 2))
    scores = RNG.random((40, 2))
    values = measure(scores, labels, ("mass", "pleural effusion"))
    aucs = [auc_by_pairs(scores[:, c], labels[:, c] == 1) for c in range(2)]
    assert values["mean_auc"] == pytest.approx(np.mean(aucs))
    assert values["auc_pleural_effusion"] == pytest.approx(aucs[1])
    precisions = []
    for c in range(2):
        order = np.argsort(-scores[:, c])
        hits = labels[order, c]
        precisions.append((hits * hits.cumsum() / np.arange(1, 41)).sum() / hits.sum())
    assert values["mean_average_precision"] == pytest.approx(np.mean(precisions))


def test_a_label_without_positives_is_left_out_of_the_means_and_a_warning_names_it(caplog):
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    with caplog.at_level(logging.WARNING):
        values = measure(np.array([[0.9, 0.1], [0.2, 0.3], [0.8, 0.4]]), labels, ("mass", "hernia"))
    assert values["auc_mass"] == 1.0
    assert np.isnan(values["auc_hernia"])
    assert values["mean_auc"] == 1.0
    assert values["mean_average_precision"] == 1.0
    assert "'hernia' has no positives" in caplog.text


def test_a_class_that_no_image_has_is_left_out_of_the_mean_over_classes():
    scores = np.random.default_rng(0).random((20, 3))
    labels = np.arange(20) % 2
    aucs = [auc_by_pairs(scores[:, c], labels == c) for c in range(2)]
    assert measure(scores, labels, ("a", "b", "never"))["macro_auc"] == pytest.approx(np.mean(aucs))


def test_nothing_defined_has_no_mean():
    assert np.isnan(measure(np.zeros((3, 1)), np.zeros((3, 1), int), ("hernia",))["mean_auc"])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("mass", "pleural effusion"), ["auc_mass", "auc_pleural_effusion"]),
        (("a b", "a_b"), ["auc_a_b", "auc_a_b_2"]),
        (("a b", "a_b_2", "a_b"), ["auc_a_b", "auc_a_b_2", "auc_a_b_3"]),
        (("a b", "a_b", "a_b_2"), ["auc_a_b", "auc_a_b_3", "auc_a_b_2"]),
    ],
)
def test_every_label_has_a_metric_of_its_own(labels: tuple[str, ...], names: list[str]):
    assert metric_names(labels) == names
    shape = (6, len(labels))
    values = measure(np.random.default_rng(0).random(shape), np.eye(6, len(labels), dtype=int), labels)
    assert set(names) <= set(values)


def test_models_are_chosen_by_the_labels_that_are_defined_or_not_at_all():
    assert selection_score({"mean_auc": np.nan, "auc_a": 0.8, "auc_b": np.nan}, multi_label=True) == 0.8
    with pytest.raises(InputError, match="no label has both"):
        selection_score({"mean_auc": np.nan, "auc_a": np.nan}, multi_label=True)
    with pytest.raises(InputError, match="images of one class only"):
        selection_score({"balanced_accuracy": 1.0, "macro_auc": np.nan}, multi_label=False, by="auc")


def test_a_class_absent_from_the_split_does_not_enter_balanced_accuracy():
    values = measure(np.eye(3)[[0, 1, 2]], np.array([0, 1, 1]), "abc")
    assert values["balanced_accuracy"] == pytest.approx((1 + 0.5) / 2)
