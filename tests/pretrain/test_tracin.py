"""The closed-form kernel against independent computations of the same definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, vmap

from repro.pretrain.byol import Byol, Outputs, distance, image_losses
from repro.pretrain.encoder import Encoder
from repro.pretrain.tracin import cosine_of, last_layer_kernel, output_gradients


def outputs_in_float64(batch: int, size: int = 32, hidden: int = 24, out: int = 8) -> tuple[Byol, Outputs]:
    torch.manual_seed(batch)
    model = Byol(Encoder("resnet18", "small", 4), hidden, out).double().train()
    views = torch.randn(2, batch, 3, size, size, dtype=torch.float64)
    online = [model.predictor(model.projector(model.encoder(view))[0]) for view in views]
    with torch.no_grad():
        targets = [model.target_projector(model.target_encoder(view + 0.3))[0] for view in views]
    p, a = (torch.stack(parts) for parts in zip(*online, strict=True))
    return model, Outputs(p, a, torch.stack(targets))


def one_gradient_per_image(model: Byol, out: Outputs) -> torch.Tensor:
    """The slow loop: one backward pass per image through the train-mode network."""
    rows = []
    for loss in image_losses(out):
        gradients = torch.autograd.grad(loss, list(model.predictor.last.parameters()), retain_graph=True)
        rows.append(torch.cat([g.flatten() for g in gradients]))
    gradient = torch.stack(rows)
    return gradient @ gradient.T


@given(batch=st.integers(2, 9), hidden=st.sampled_from([5, 24]), out=st.sampled_from([3, 8]))
@settings(max_examples=12, deadline=None)
def test_kernel_equals_one_autograd_gradient_per_image_in_train_mode(batch: int, hidden: int, out: int):
    model, outputs = outputs_in_float64(batch, hidden=hidden, out=out)
    assert model.training
    slow = one_gradient_per_image(model, outputs)
    fast = last_layer_kernel(outputs)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10 * float(slow.abs().max()))


def test_kernel_without_the_bias_term_is_a_different_one():
    model, out = outputs_in_float64(6)
    a, d = out.a.flatten(0, 1), output_gradients(out).flatten(0, 1)
    without_bias = ((a @ a.T) * (d @ d.T)).view(2, 6, 2, 6).sum(dim=(0, 2))
    assert not torch.allclose(without_bias, one_gradient_per_image(model, out), rtol=1e-3)


def test_kernel_equals_per_sample_gradients_of_torch_func():
    model, out = outputs_in_float64(7)
    layer = model.predictor.last
    parameters = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], a: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        p = functional_call(layer, weights, (a,))
        return image_losses(Outputs(p[:, None], a[:, None], t[:, None]))[0]

    each = vmap(grad(loss), in_dims=(None, 1, 1))(parameters, out.a.detach(), out.t)
    gradient = torch.cat([g.flatten(1) for g in each.values()], dim=1)
    torch.testing.assert_close(last_layer_kernel(out).detach(), gradient @ gradient.T, rtol=1e-10, atol=1e-12)


def test_kernel_equals_captum_once_its_missing_bias_term_is_added():
    captum = pytest.importorskip("captum.influence", reason="captum is in the extra `peers`")
    _, out = outputs_in_float64(5)
    a, t = out.a[0].detach().float(), out.t[1].float()
    torch.manual_seed(0)
    layer = torch.nn.Linear(a.shape[1], t.shape[1])

    data = torch.utils.data.TensorDataset(a, t)
    peer = captum.TracInCPFast(
        torch.nn.Sequential(layer), layer, data, ["now"], lambda *_: 1.0, loss_fn=SummedDistance(), batch_size=5
    )
    without_bias = peer.influence((a, t))
    p = layer(a).detach()
    d = output_gradients(Outputs(p[None].repeat(2, 1, 1), a[None], t[None].repeat(2, 1, 1)))[0]
    ours = (a @ a.T + 1) * (d @ d.T)
    torch.testing.assert_close(ours - d @ d.T, without_bias, rtol=1e-4, atol=1e-5)


class SummedDistance(torch.nn.Module):
    reduction = "sum"  # captum asks a loss how it reduces

    def forward(self, p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return distance(p, t).sum()


def test_output_gradient_equals_autograd():
    out = Outputs(
        p=torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True),
        a=torch.empty(2, 5, 0),
        t=torch.randn(2, 5, 8, dtype=torch.float64),
    )
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
