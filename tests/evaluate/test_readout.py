"""The closed-form linear readout against the normal equations."""

import numpy as np
import pytest

from repro.evaluate import readout

RNG = np.random.default_rng(0)


def test_it_is_ridge_regression_in_which_classes_weigh_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readout, "PENALTIES", [10.0])
    features, labels = RNG.normal(2, 3, (90, 5)), np.repeat([0, 1, 2], [60, 20, 10])
    features[labels == 1] += 1
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    weight = 90 / (3 * np.bincount(labels))[labels]
    y = 2.0 * np.eye(3)[labels] - 1
    centre, middle = (np.average(a, axis=0, weights=weight) for a in (x, y))
    gram = (weight[:, None] * (x - centre)).T @ (x - centre) + 10 * np.eye(5)
    w = np.linalg.solve(gram, (weight[:, None] * (x - centre)).T @ (y - middle))
    np.testing.assert_allclose(readout.predict(features, labels, 3, features), (x - centre) @ w + middle, rtol=1e-8)


def test_two_classes_and_several_labels_get_a_column_each():
    features = RNG.normal(size=(80, 4))
    labels = (features[:, 0] > 0).astype(int)
    scores = readout.predict(features, labels, 2, features)
    assert scores.shape == (80, 2)
    assert (scores.argmax(axis=1) == labels).mean() > 0.9
    several = np.stack([labels, 1 - labels, labels], axis=1)
    assert ((readout.predict(features, several, 3, features) > 0.5) == several).mean() > 0.9


@pytest.mark.parametrize("known", [[1], [0, 2]])
def test_a_class_without_labelled_images_is_never_chosen(known: list[int]):
    labels = np.resize(known, 40)
    scores = readout.predict(RNG.normal(size=(40, 3)), labels, 4, RNG.normal(size=(30, 3)))
    assert scores.shape == (30, 4)
    assert set(scores.argmax(axis=1)) <= set(known)
