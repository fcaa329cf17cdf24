"""Effective rank, alignment and uniformity against closed forms and loops."""

import math

import pytest
import torch

from repro.evaluate.geometry import alignment, effective_rank, uniformity


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_features_along_equally_strong_directions_have_as_many_effective_dimensions(rank: int):
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, rank, dtype=torch.float64)).Q for n in (40, 8))
    assert effective_rank(left @ right.T) == pytest.approx(rank)


def test_effective_rank_is_the_exponential_of_the_entropy_of_singular_values():
    features = torch.diag(torch.tensor([6.0, 3.0, 1.0]))
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert effective_rank(features) == pytest.approx(math.exp(entropy))


def test_alignment_is_the_mean_squared_distance_of_two_views_on_the_sphere():
    torch.manual_seed(0)
    first, second = torch.randn(2, 20, 5, dtype=torch.float64)
    each = [2 - 2 * float(torch.cosine_similarity(a, b, dim=0)) for a, b in zip(first, second, strict=True)]
    assert alignment(first, second) == pytest.approx(sum(each) / 20)
    assert alignment(first, 3 * first) == pytest.approx(0)


def test_uniformity_is_a_mean_over_pairs_and_lowest_where_points_are_spread():
    torch.manual_seed(0)
    points = torch.randn(12, 4, dtype=torch.float64)
    pairs = [
        math.exp(-2 * (2 - 2 * float(torch.cosine_similarity(points[i], points[j], dim=0))))
        for i in range(12)
        for j in range(i)
    ]
    assert uniformity(points) == pytest.approx(math.log(sum(pairs) / len(pairs)))
    assert uniformity(torch.ones(5, 4)) == pytest.approx(0)
