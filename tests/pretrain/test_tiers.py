"""What TracIn's tiers cover of networks of torchvision and timm, and that K over it is exact."""

import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from repro.configs.resolve import defaults
from repro.errors import InputError
from repro.pretrain.encoder import Encoder
from repro.pretrain.gradients.per_image_gradients import Tape
from repro.pretrain.gradients.tiers import coverage
from repro.pretrain.tracin import OnlineTracin
from tests.pretrain.networks import byol_in_float64, draw, image_gradients
from tests.pretrain.test_tracin import equal, kernel_of, see

VIT = {"arch": "vit_tiny_patch16_224", "patch": 4}
# With the sizes that leave the deepest BatchNorm some positions: with a few numbers its statistics hardly exist.
NETWORKS = {
    "ViT": (VIT, 12, 3),
    "depthwise, squeezed, in place": ({"arch": "mobilenetv3_small_100"}, 64, 4),
    "depthwise, LayerNorm": ({"arch": "convnext_atto"}, 32, 3),
    "activations in BatchNorm": ({"arch": "efficientnet_lite0"}, 64, 4),
}


@pytest.mark.parametrize("network", list(NETWORKS))
def test_kernel_of_any_network_equals_one_gradient_per_image(network: str):
    torch.manual_seed(0)
    settings, size, batch = NETWORKS[network]
    model = byol_in_float64(Encoder(**settings, size=size))
    first, second, out = draw(model, batch, size)
    every = (("last", 2), ("heads", 2), ("full", 1), ("full", 2))
    for tier, views in every if network == "ViT" else every[-1:]:
        slow = image_gradients(model, [first, second][:views], out.t, tier)
        equal(kernel_of(model, first, second, layers=tier, views=views, memory_mb=16), slow @ slow.T)


def test_a_vit_is_covered_in_full_but_for_norms_and_bare_parameters():
    encoder = Encoder(**VIT, size=28)
    found = coverage(encoder)
    kinds = {name.removeprefix("network.blocks.0.") for name in found.layers if ".blocks.0." in name}
    assert kinds == {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}
    assert "network.patch_embed.proj" in found.layers
    assert len(found.layers) == 4 * 12 + 1
    assert found.left_out == {"cls_token": 192, "pos_embed": 50 * 192, "LayerNorm": 25 * 2 * 192}
    facts = found.facts()
    assert facts["parameters"] + sum(facts["left_out"].values()) == sum(p.numel() for p in encoder.parameters())
    assert "left out: cls_token (192), pos_embed (9,600), LayerNorm (9,600)" in str(found)


def test_layers_whose_weights_are_used_elsewhere_are_left_out_and_named():
    encoder = Encoder("resnet18", size=28)
    encoder.network = VisionTransformer(28, 7, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=8)
    left = coverage(encoder).left_out
    assert left["in_proj_weight"] == 3 * 16 * 16
    assert left["NonDynamicallyQuantizableLinear, its weight is used elsewhere"] == 16 * 16 + 16


@pytest.mark.parametrize(
    ("arch", "size", "told"),
    [
        ("tf_efficientnet_lite0", 28, "Conv2dSame, a computation of its own"),
        ("swin_tiny_patch4_window7_224", 56, "Linear, not one row per image"),
    ],
)
def test_layers_with_another_computation_are_left_out_and_the_rest_still_counts(arch: str, size: int, told: str):
    found = coverage(Encoder(arch, size=size))
    assert found.left_out[told] > 0
    assert found.layers


def test_looking_at_what_is_covered_leaves_the_network_as_it_was():
    encoder = Encoder("mobilenetv3_small_100", size=28)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    state = torch.get_rng_state()
    coverage(encoder)
    assert torch.equal(torch.get_rng_state(), state)
    assert encoder.training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert not any(module._forward_hooks for module in encoder.modules())


def test_a_network_with_left_out_layers_still_gives_a_kernel_with_a_positive_diagonal():
    torch.manual_seed(0)
    model = byol_in_float64(Encoder("tf_efficientnet_lite0", size=28))
    first, second, out = draw(model, 3, 28)
    tracin = OnlineTracin(model, {**defaults()["tracin"], "layers": "full"})
    with tracin.watching():
        out = model(first, second)
    assert (tracin.kernel(out, first, second, see).diagonal() > 0).all()


def test_training_gradients_are_untouched_by_looking_past_activations_inside_batchnorm():
    torch.manual_seed(0)
    model = byol_in_float64(Encoder("mobilenetv3_small_100", size=28))
    first, second, out = draw(model, 3, 28)
    parameters = [p for p in model.parameters() if p.requires_grad]
    plain = torch.autograd.grad(out.p.square().sum(), parameters)
    tracin = OnlineTracin(model, {**defaults()["tracin"], "layers": "full"})
    with tracin.watching():
        watched = model(first, second)
    tracin.kernel(watched, first, second, see)
    for a, b in zip(torch.autograd.grad(watched.p.square().sum(), parameters), plain, strict=True):
        equal(a, b, 1e-12)


def test_a_batchnorm_that_goes_on_to_something_unknown_is_refused():
    class Odd(nn.BatchNorm2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).square()

    with (
        pytest.raises(InputError, match=r"TracIn cannot look past a Odd"),
        Tape({}, iter([Odd(3)])),
    ):
        pass
