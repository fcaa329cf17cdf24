"""What the kernel benchmark compares is one thing: every way to K gives the same, in float64."""

import pytest
import torch

from repro.bench import kernel
from repro.bench.kernel import CAPTUM, LOOP, OPACUS, VMAP, Problem
from repro.pretrain.byol import distance

pytest.importorskip("opacus", reason="opacus is in the extra `peers`")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tier", "peers"),
    [("last", {LOOP, VMAP, OPACUS, CAPTUM}), ("heads", {LOOP, VMAP, OPACUS}), ("full", {LOOP, VMAP})],
)
def test_every_way_to_k_gives_the_same(tier: str, peers: set[str]):
    torch.manual_seed(0)
    problem = Problem(tier, 5, torch.float64)
    assert problem.ways.keys() == {"ours", *peers}
    problem.check()
    slow = problem.loop()
    for name, way in problem.ways.items():
        without = bias_term(problem) if name == CAPTUM else 0
        assert (way() - (slow - without)).norm() <= 1e-9 * slow.norm(), name


def bias_term(problem: Problem) -> torch.Tensor:
    """What the last layer's bias adds to K: the products of dl/dp, summed over the views."""
    p = problem.network(problem.inputs).detach().requires_grad_()
    distance(p, problem.targets).sum().backward()
    d = p.grad.sum(dim=1)
    return d @ d.T


def test_a_way_that_gives_something_else_is_found():
    problem = Problem("last", 5)
    right = problem.ways[LOOP]
    problem.ways[LOOP] = lambda: 1.05 * right()
    with pytest.raises(AssertionError, match=f"{LOOP} is off"):
        problem.check()


def test_peers_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kernel, "_is_there", lambda _: False)
    assert Problem("last", 5).ways.keys() == {"ours", LOOP, VMAP}
