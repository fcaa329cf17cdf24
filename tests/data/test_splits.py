"""Divisions by patient or lesion."""

import numpy as np
import pytest

from repro.data.splits import SEVENTY_TEN_TWENTY, TENTH_FOR_VALIDATION, divide, shared_group
from repro.data.subsets import strata
from repro.errors import InputError

RNG = np.random.default_rng(0)
LABELS = RNG.choice(3, 900, p=[0.7, 0.2, 0.1])
GROUPS = RNG.integers(0, 400, 900)
FINDINGS = (RNG.random((900, 4)) < [0.4, 0.2, 0.1, 0.05]).astype(np.uint8)


@pytest.mark.parametrize("labels", [LABELS, FINDINGS], ids=["classes", "findings"])
@pytest.mark.parametrize("seed", range(3))
def test_a_division_shares_no_group_and_keeps_sizes_and_labels_in_proportion(labels: np.ndarray, seed: int):
    split = divide("x", labels, GROUPS, SEVENTY_TEN_TWENTY, seed)
    assert shared_group(GROUPS, split) is None
    stratum = np.eye(5)[strata(labels)]
    for part, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert (split == part).mean() == pytest.approx(share, abs=0.01)
        assert stratum[split == part].mean(axis=0) == pytest.approx(stratum.mean(axis=0), abs=0.02)


def test_a_seed_names_one_division():
    first, again, other = (divide("x", LABELS, GROUPS, TENTH_FOR_VALIDATION, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert set(first) == {"train", "val"}


def test_too_few_groups_are_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"mine: 900 images in 9 groups .* takes 10 groups.*data\.split=official"):
        divide("mine", LABELS, np.arange(900) % 9, SEVENTY_TEN_TWENTY, 0)


def test_uneven_groups_that_leave_a_part_without_images_are_refused():
    sizes, classes = [7, 4, 1, 1, 1, 300, 2, 300, 3, 233], [2, 0, 0, 2, 2, 1, 1, 3, 3, 1]
    labels, groups = np.repeat(classes, sizes), np.repeat(np.arange(10), sizes)
    with pytest.raises(InputError, match="no image for val"):  # two of the large groups share a fold, one has none
        divide("x", labels, groups, [*["train"] * 8, "val", "train"], seed=2)


def test_a_shared_group_is_found_and_images_without_split_do_not_count():
    groups = np.array([5, 5, 7, 7, 9])
    assert shared_group(groups, np.array(["train", "train", "val", "", "test"])) is None
    assert shared_group(groups, np.array(["train", "train", "val", "test", "test"])) == 7
    assert shared_group(groups, np.array([""] * 5)) is None
