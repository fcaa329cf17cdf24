"""Pairwise TracIn of every tier against independent computations of the same definition."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad, vmap

from repro.configs.resolve import defaults
from repro.pretrain.byol import Byol, Outputs, distance, image_losses
from repro.pretrain.encoder import Encoder
from repro.pretrain.tracin import OnlineTracin, StoredTracin, cosine_of, last_layer_kernel, output_gradients
from tests.pretrain.networks import Frozen, OddEncoder, byol_in_float64, draw, image_gradients, names_of

TIERS = ("last", "heads", "full")
# With the sizes that leave the deepest BatchNorm some positions: with two numbers a batch's statistics hardly exist.
ENCODERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "small stem": (lambda: Encoder("resnet18", "small", 4), (15, 20)),
    "imagenet stem": (lambda: Encoder("resnet18", "imagenet", 4), (47, 64)),
    "bottlenecks": (lambda: Encoder("resnet50", "imagenet", 4), (47,)),
    "grouped, dilated, biased": (OddEncoder, (15, 16, 23)),
}


def see(_: str, values: torch.Tensor) -> None:
    assert values.isfinite().all()


def kernel_of(model: Byol, first: torch.Tensor, second: torch.Tensor, **changes: object) -> torch.Tensor:
    tracin = OnlineTracin(model, {**defaults()["tracin"], **changes})
    with tracin.watching():
        out = model(first, second)
    return tracin.kernel(out, first, second, see)


def equal(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * float(b.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
@given(
    encoder=st.sampled_from(list(ENCODERS)),
    batch=st.integers(3, 6),
    size=st.integers(0, 2),
    views=st.integers(1, 2),
    memory_mb=st.sampled_from([1, 512]),
    predictor=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_kernel_equals_one_gradient_per_image_with_the_batch_statistics_as_constants(
    tier: str, encoder: str, batch: int, size: int, views: int, memory_mb: int, predictor: bool, seed: int
):
    torch.manual_seed(seed)
    make, sizes = ENCODERS[encoder]
    model = byol_in_float64(make(), predictor=predictor)
    first, second, out = draw(model, batch, sizes[size % len(sizes)])
    slow = image_gradients(model, [first, second][:views], out.t, tier)
    kernel = kernel_of(model, first, second, layers=tier, views=views, memory_mb=memory_mb)
    equal(kernel, slow @ slow.T)
    unit = slow / slow.norm(dim=1, keepdim=True)
    equal(cosine_of(kernel), unit @ unit.T)


def test_last_tier_needs_no_constant_statistics_since_it_stands_above_every_batchnorm():
    model = byol_in_float64(OddEncoder())
    _, _, out = draw(model, 6, 15)
    rows = []
    for loss in image_losses(out):
        parts = torch.autograd.grad(loss, list(model.predictor.last.parameters()), retain_graph=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    equal(last_layer_kernel(out), torch.stack(rows) @ torch.stack(rows).T, 1e-10)


def test_deeper_tiers_differ_from_hooks_in_plain_train_mode_where_images_mix():
    torch.manual_seed(1)
    model = byol_in_float64(OddEncoder())
    first, second, out = draw(model, 6, 15)
    names = [name for name, _ in model.named_parameters() if name.startswith(("projector", "predictor"))]
    names = [name for name in names if "inner.1" not in name]  # BatchNorm's own
    parameters = dict(model.named_parameters())
    rows = []
    for loss in image_losses(out):
        parts = torch.autograd.grad(loss, [parameters[name] for name in names], retain_graph=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    mixed = torch.stack(rows) @ torch.stack(rows).T
    kernel = kernel_of(model, first, second, layers="heads")
    assert float((kernel - mixed).norm() / mixed.norm()) > 0.01


@pytest.mark.parametrize("tier", TIERS)
def test_training_gradients_are_untouched_by_looking(tier: str):
    torch.manual_seed(2)
    model = byol_in_float64(Encoder("resnet18", "small", 4))
    first, second, out = draw(model, 4, 16)
    parameters = [p for p in model.parameters() if p.requires_grad]
    plain = torch.autograd.grad(image_losses(out).mean(), parameters)

    tracin = OnlineTracin(model, {**defaults()["tracin"], "layers": tier})
    with tracin.watching():
        watched = model(first, second)
    tracin.kernel(watched, first, second, see)
    for a, b in zip(torch.autograd.grad(image_losses(watched).mean(), parameters), plain, strict=True):
        equal(a, b, 1e-12)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("views", [1, 2])
def test_kernel_equals_per_sample_gradients_of_torch_func(tier: str, views: int):
    torch.manual_seed(3)
    model = byol_in_float64(OddEncoder())
    first, second, out = draw(model, 5, 15)
    total = []
    for u, view in enumerate([first, second][:views]):
        frozen = Frozen(model, view)
        everything = {name: p.detach() for name, p in frozen.named_parameters()}
        chosen = {f"online.{name}": everything[f"online.{name}"] for name in names_of(frozen, tier)}

        def loss(parameters: dict, x: torch.Tensor, t: torch.Tensor, frozen=frozen, rest=everything) -> torch.Tensor:
            return distance(functional_call(frozen, {**rest, **parameters}, (x[None],))[0], t)

        each = vmap(grad(loss), in_dims=(None, 0, 0))(chosen, view, out.t[1 - u])
        total.append(torch.cat([each[name].flatten(1) for name in sorted(each)], dim=1))
    gradient = torch.stack(total).sum(dim=0)
    equal(kernel_of(model, first, second, layers=tier, views=views), gradient @ gradient.T)


@pytest.mark.parametrize("tier", ["heads", "full"])
def test_kernel_equals_captums_tracincp_where_both_mean_the_same(tier: str):
    captum = pytest.importorskip("captum.influence", reason="captum is in the extra `peers`")
    torch.manual_seed(4)
    model = byol_in_float64(OddEncoder())
    first, second, out = draw(model, 5, 15)
    frozen = Frozen(model, first)
    layers = sorted({f"online.{name.rpartition('.')[0]}" for name in names_of(frozen, tier)})
    data = torch.utils.data.TensorDataset(first, out.t[1])
    peer = captum.TracInCP(
        frozen, data, ["now"], lambda *_: 1.0, layers=layers, loss_fn=EachDistance(), batch_size=5,
        sample_wise_grads_per_batch=False,
    )  # fmt: skip
    equal(kernel_of(model, first, second, layers=tier, views=1), peer.influence((first, out.t[1])))


def test_last_tier_equals_captums_fast_version_once_its_missing_bias_term_is_added():
    captum = pytest.importorskip("captum.influence", reason="captum is in the extra `peers`")
    torch.manual_seed(5)
    model = byol_in_float64(OddEncoder())
    _, _, out = draw(model, 5, 15)
    data = torch.utils.data.TensorDataset(out.a[0].detach(), out.t[1])
    last = model.predictor.last
    peer = captum.TracInCPFast(
        nn.Sequential(last), last, data, ["now"], lambda *_: 1.0, loss_fn=SummedDistance(), batch_size=5
    )
    d = output_gradients(out)[0].detach()
    without_bias = peer.influence((out.a[0].detach(), out.t[1]))
    equal(last_layer_kernel(out, views=1).detach(), without_bias + d @ d.T)
    assert not torch.allclose(without_bias, without_bias + d @ d.T, rtol=1e-3)


class SummedDistance(nn.Module):
    reduction = "sum"  # captum asks a loss how it reduces

    def forward(self, p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return distance(p, t).sum()


class EachDistance(nn.Module):
    reduction = "none"

    def forward(self, p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return distance(p, t)


@pytest.mark.parametrize("tier", TIERS)
def test_stored_checkpoints_give_the_sum_of_their_products_weighted_by_learning_rate(tier: str):
    torch.manual_seed(6)
    models = [byol_in_float64(OddEncoder()) for _ in range(3)]
    rates = [0.05, 0.2, 0.1]
    first, second, out = draw(models[0], 5, 15)
    expected = torch.zeros(5, 5, dtype=torch.float64)
    for rate, model in zip(rates, models, strict=True):
        gradient = image_gradients(model, [first, second], model(first, second).t, tier)
        expected += rate * gradient @ gradient.T
    stored = StoredTracin(list(zip(rates, models, strict=True)), {**defaults()["tracin"], "layers": tier})
    equal(stored.kernel(out, first, second, see), expected / 0.2)
    one = StoredTracin([(1e-6, models[0])], {**defaults()["tracin"], "layers": tier})
    equal(one.kernel(out, first, second, see), kernel_of(models[0], first, second, layers=tier))


@pytest.mark.parametrize("tier", TIERS)
def test_each_layer_shows_its_values_under_its_name(tier: str):
    model = byol_in_float64(OddEncoder())
    seen: dict[str, torch.Tensor] = {}
    tracin = OnlineTracin(model, {**defaults()["tracin"], "layers": tier})
    with tracin.watching():
        first, second, out = draw(model, 4, 15)
    kernel = tracin.kernel(out, first, second, seen.__setitem__)
    names = {
        "last": {"the last layer"},
        "heads": {f"{head}.{layer}" for head in ("projector", "predictor") for layer in ("inner.0", "last")},
    }
    names["full"] = names["heads"] | {f"encoder.layers.{n}" for n in (0, 3, 6)}
    assert set(seen) == names[tier]
    equal(torch.stack(list(seen.values())).sum(dim=0), kernel.diagonal())


def test_output_gradient_equals_autograd():
    p, a, z, t = (torch.randn(2, 5, 8, dtype=torch.float64) for _ in range(4))
    out = Outputs(p.requires_grad_(), a, z, t)
    (expected,) = torch.autograd.grad(image_losses(out).sum(), out.p)
    torch.testing.assert_close(output_gradients(out), expected, rtol=1e-12, atol=1e-12)


def test_cosine_kernel_has_ones_on_its_diagonal_and_ignores_gradient_size():
    gradient = torch.randn(6, 20, dtype=torch.float64)
    scaled = gradient * torch.logspace(-3, 3, 6, dtype=torch.float64)[:, None]
    expected = torch.nn.functional.cosine_similarity(gradient[:, None], gradient[None], dim=-1)
    torch.testing.assert_close(cosine_of(scaled @ scaled.T), expected)


def test_cosine_kernel_of_a_vanished_gradient_is_zero_not_nan():
    gradient = torch.cat([torch.zeros(1, 4), torch.randn(3, 4)])
    assert cosine_of(gradient @ gradient.T)[0].tolist() == [0, 0, 0, 0]


def test_half_precision_networks_still_give_a_float32_kernel_close_to_the_exact_one():
    torch.manual_seed(7)
    model = byol_in_float64(Encoder("resnet18", "small", 4), hidden=64, out=32).float()
    views = torch.randn(2, 12, 3, 16, 16)
    exact = kernel_of(model, *views, layers="full")
    tracin = OnlineTracin(model, {**defaults()["tracin"], "layers": "full"})
    with tracin.watching(), torch.autocast("cpu", torch.bfloat16):
        out = model(*views)
    rough = tracin.kernel(out, *views, see)
    assert rough.dtype == exact.dtype == torch.float32
    off = ~torch.eye(12, dtype=torch.bool)
    correlation = torch.corrcoef(torch.stack([cosine_of(rough)[off], cosine_of(exact)[off]]))[0, 1]
    assert float(correlation) > 0.8
    assert math.isfinite(float(rough.sum()))
