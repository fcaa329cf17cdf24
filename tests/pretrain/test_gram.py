"""Products of per-image gradients against one backward pass per image."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from repro.pretrain.gradients import gram
from repro.pretrain.gradients.gram import cheapest, layer_kernel

ALL_AT_ONCE = 2**30


def one_image_at_a_time(layer: nn.Module, inputs: list[torch.Tensor], gradients: list[torch.Tensor]) -> torch.Tensor:
    rows = []
    for i in range(len(inputs[0])):
        loss = sum((layer(x[i : i + 1]) * g[i : i + 1]).sum() for x, g in zip(inputs, gradients, strict=True))
        parts = torch.autograd.grad(loss, list(layer.parameters()))
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows) @ torch.stack(rows).T


def equal(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * float(b.abs().max()))


@st.composite
def convolutions(draw: Any) -> tuple[nn.Conv2d, tuple[int, int]]:
    groups = draw(st.sampled_from([1, 2, 3]))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    layer = nn.Conv2d(
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 3)),
        kernel,
        stride=draw(st.sampled_from([1, 2, (2, 1), 3])),
        padding=draw(st.sampled_from([0, 1, (2, 1)])),
        dilation=draw(st.sampled_from([1, 2])),
        groups=groups,
        bias=draw(st.booleans()),
    )
    return layer.double(), draw(st.tuples(st.integers(5, 9), st.integers(5, 9)))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["gram", "pixels", "materialise"])
@given(made=convolutions(), batch=st.integers(1, 5), views=st.integers(1, 2), memory=st.sampled_from([1, 2000, 2**30]))
@settings(max_examples=60, deadline=None)
def test_any_convolution_equals_one_backward_pass_per_image_in_either_way_and_any_memory(
    way: str, made: tuple[nn.Conv2d, tuple[int, int]], batch: int, views: int, memory: int
):
    layer, size = made
    inputs = [torch.randn(batch, layer.in_channels, *size, dtype=torch.float64) for _ in range(views)]
    gradients = [torch.randn_like(layer(x)) for x in inputs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram, "cheapest", lambda *_: way)
        kernel = layer_kernel(layer, inputs, gradients, memory)
        share = slice(batch // 3, batch // 3 + max(1, batch // 2))  # one process's rows
        rows = layer_kernel(layer, inputs, gradients, memory, share)
    slow = one_image_at_a_time(layer, inputs, gradients)
    equal(kernel, slow)
    equal(rows, slow[share])


@pytest.mark.parametrize("way", ["gram", "materialise"])
@given(
    shape=st.sampled_from([(), (3,), (2, 3)]),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    bias=st.booleans(),
    batch=st.integers(1, 5),
    views=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_any_linear_layer_equals_one_backward_pass_per_image(
    way: str, shape: tuple[int, ...], sizes: tuple[int, int], bias: bool, batch: int, views: int
):
    layer = nn.Linear(*sizes, bias=bias).double()
    inputs = [torch.randn(batch, *shape, sizes[0], dtype=torch.float64) for _ in range(views)]
    gradients = [torch.randn_like(layer(x)) for x in inputs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gram, "cheapest", lambda *_: way)
        kernel = layer_kernel(layer, inputs, gradients, ALL_AT_ONCE)
        share = slice(batch // 3, batch // 3 + max(1, batch // 2))
        rows = layer_kernel(layer, inputs, gradients, ALL_AT_ONCE, share)
    slow = one_image_at_a_time(layer, inputs, gradients)
    equal(kernel, slow)
    equal(rows, slow[share])


def test_the_cost_rule_is_that_of_counted_multiplications():
    for batch, views, size, depth, channels in itertools.product((1, 32, 256), (1, 2), (1, 2, 5), (3, 64), (8, 512)):
        positions = pixels = views * size**2
        fan_in, pairs = 9 * depth, len(list(itertools.combinations_with_replacement(range(positions), 2)))
        costs = {
            "gram": batch**2 * pairs * (fan_in + channels),
            "pixels": batch**2 * pairs * (depth + channels),
            "materialise": batch * positions * fan_in * channels + batch**2 * fan_in * channels * 3 / 4,
        }
        assert costs[cheapest(batch, positions, fan_in, channels, pixels, depth)] == min(costs.values())
    assert cheapest(256, 2, 128, 512) == "gram"  # a Linear layer
    assert cheapest(256, 8, 4608, 512, 8, 512) == "pixels"  # a deep convolution over 2 x 2 pixels
    assert cheapest(256, 98, 576, 64, 98, 64) == "materialise"  # an early one over many


def test_products_are_taken_in_float32_under_autocast():
    layer = nn.Linear(64, 32)
    inputs, gradients = [torch.randn(8, 64).bfloat16()], [torch.randn(8, 32).bfloat16()]
    with torch.autocast("cpu", torch.bfloat16):
        kernel = layer_kernel(layer, inputs, gradients, ALL_AT_ONCE)
    expected = layer_kernel(layer.double(), [inputs[0].double()], [gradients[0].double()], ALL_AT_ONCE)
    assert kernel.dtype == torch.float32
    torch.testing.assert_close(kernel.double(), expected, rtol=1e-5, atol=1e-3)


def test_a_layer_it_has_no_rule_for_is_refused():
    with pytest.raises(TypeError, match="no gradient products"):
        layer_kernel(nn.Conv2d(1, 1, 3, padding="same"), [torch.zeros(1, 1, 5, 5)], [torch.zeros(1, 1, 5, 5)], 1)


def test_memory_stays_within_what_was_given():
    layer, memory = nn.Conv2d(32, 64, 3, padding=1), 2**20
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = function(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor):
                largest = max(largest, made.untyped_storage().nbytes())
            return made

    inputs, gradients = [torch.randn(64, 32, 6, 6)], [torch.randn(64, 64, 6, 6)]
    with Watch():
        layer_kernel(layer, inputs, gradients, memory)
    patches_of_all, gradients_of_all = 64 * 36 * 9 * 32 * 4, 64 * layer.weight.numel() * 4
    assert largest <= memory < patches_of_all < gradients_of_all
