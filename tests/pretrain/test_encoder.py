"""The encoder is torchvision's network wherever it can be."""

import pytest
import torch
import torchvision

from repro.pretrain.encoder import Encoder, to_input


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_standard_encoder_is_torchvisions_and_its_weights_load_there(arch: str):
    encoder = Encoder(arch).double().eval()
    peer = torchvision.models.get_model(arch, weights=None).double()
    missing, unexpected = peer.load_state_dict(encoder.state_dict(), strict=False)
    assert (missing, unexpected) == (["fc.weight", "fc.bias"], [])
    peer.fc = torch.nn.Identity()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x), peer.eval()(x))


@pytest.mark.parametrize(
    ("arch", "stem", "width"), [("resnet18", "small", 8), ("resnet18", "half", 8), ("resnet50", "imagenet", 16)]
)
def test_every_width_and_stem_gives_the_features_it_promises(arch: str, stem: str, width: int):
    encoder = Encoder(arch, stem, width).eval()
    assert encoder(torch.randn(3, 3, 28, 28)).shape == (3, encoder.features)


def test_narrow_encoder_has_the_parameters_of_a_resnet_with_fewer_channels():
    def convolutions(model: torch.nn.Module) -> list[tuple[int, ...]]:
        return [tuple(m.weight.shape) for m in model.modules() if isinstance(m, torch.nn.Conv2d)]

    for narrow, standard in zip(convolutions(Encoder(width=16)), convolutions(Encoder(width=64)), strict=True):
        assert narrow[0] * 4 == standard[0]
        assert narrow[1] in (3, standard[1] // 4)


def test_initial_weights_have_torchvisions_spread_for_every_width_and_stem():
    torch.manual_seed(0)
    for encoder in (Encoder(width=32), Encoder(stem="small", width=32)):
        for module in encoder.modules():
            if isinstance(module, torch.nn.Conv2d) and module.weight.numel() > 4000:
                fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
                assert float(module.weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


def test_grey_images_enter_as_three_equal_channels_between_zero_and_one():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    x = to_input(images)
    assert x.shape == (1, 3, 16, 16)
    assert torch.equal(x[:, 0], x[:, 2])
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)


@pytest.mark.parametrize(("stem", "pixels"), [("imagenet", 7), ("half", 14), ("small", 28)])
def test_a_stem_leaves_as_many_pixels_of_a_small_image_as_it_says(stem: str, pixels: int):
    encoder, seen = Encoder(stem=stem, width=8), []
    encoder.network.layer1.register_forward_hook(lambda _layer, _inputs, output: seen.append(output.shape[-1]))
    encoder(torch.randn(2, 3, 28, 28))
    assert seen == [pixels]
