"""Label fractions: stratified, nested, seeded."""

from dataclasses import replace

import numpy as np
import pytest

from repro.data import ImageSet
from repro.data.imageset import sha256_of
from repro.data.subsets import label_subset, limited, strata
from repro.errors import InputError


def imbalanced(labels: np.ndarray, classes: int) -> ImageSet:
    n = len(labels)
    return ImageSet("x", np.zeros((n, 8, 8, 1), np.uint8), labels, np.full(n, "train"), tuple(map(str, range(classes))))


LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [700, 90, 10]))


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 1.0])
def test_every_class_has_its_share_and_at_least_one_image(fraction: float):
    images = imbalanced(LABELS, 3)
    chosen = label_subset(images, fraction, seed=0)
    assert len(np.unique(chosen)) == len(chosen)
    for c, n in enumerate((700, 90, 10)):
        assert (LABELS[chosen] == c).sum() == max(1, round(fraction * n))


def test_a_smaller_fraction_is_contained_in_a_larger_one():
    images = imbalanced(LABELS, 3)
    one, ten, half = (set(label_subset(images, f, seed=3)) for f in (0.01, 0.1, 0.5))
    assert one < ten < half


def test_seeds_draw_different_subsets_and_the_same_seed_the_same():
    images = imbalanced(LABELS, 3)
    assert np.array_equal(label_subset(images, 0.1, 1), label_subset(images, 0.1, 1))
    assert not np.array_equal(label_subset(images, 0.1, 1), label_subset(images, 0.1, 2))


def test_only_training_images_are_drawn(tiny: ImageSet):
    assert set(label_subset(tiny, 1.0, 0)) == set(tiny.indices("train"))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, 2, float("nan")])
def test_a_fraction_outside_zero_to_one_is_refused(tiny: ImageSet, fraction: float):
    with pytest.raises(InputError, match=r"must lie in \(0, 1\]"):
        label_subset(tiny, fraction, 0)


def test_several_labels_are_stratified_by_the_rarest():
    labels = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]], dtype=np.uint8)
    assert strata(labels).tolist() == [1, 0, 2, 3, 1]


def test_every_label_keeps_a_positive_when_several_labels_are_drawn():
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 4)) < [0.4, 0.1, 0.01, 0.003]).astype(np.uint8)
    chosen = label_subset(imbalanced(labels, 4), 0.01, 0)
    assert (labels[chosen].sum(axis=0) >= 1).all()


def test_a_limited_set_keeps_the_pixels_and_says_its_limit(tiny: ImageSet):
    small = limited(tiny, 20)
    assert 18 <= len(small.indices("train")) <= 20
    assert {s: len(small.indices(s)) for s in ("val", "test")} == {"val": 16, "test": 16}
    assert small.describe()["limit"] == 20
    assert small.images is tiny.images


def test_a_limit_holds_even_where_classes_are_many_and_rare():
    labels = np.repeat(np.arange(30), [400, *[2] * 29])
    assert len(limited(imbalanced(labels, 30), 16).indices("train")) == 16


def test_a_hash_names_content_not_memory_layout():
    array = np.arange(12, dtype=np.int64).reshape(3, 4)
    assert sha256_of(array) == sha256_of(np.asfortranarray(array)) == sha256_of(array.astype(">i8"))
    assert sha256_of(array) != sha256_of(array.reshape(4, 3))
    assert sha256_of(array) != sha256_of(array.astype(np.int32))


def test_arrays_that_do_not_fit_together_are_refused(tiny: ImageSet):
    for change in (
        {"labels": tiny.labels[:-1]},
        {"images": tiny.images.astype(np.float32)},
        {"labels": tiny.labels + 1},
    ):
        with pytest.raises(ValueError, match=r"labels|images"):
            replace(tiny, **change)
