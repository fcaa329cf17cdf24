"""Networks of torchvision and timm by name: theirs to the last digit, and refused in one line where they do not fit."""

import copy
import subprocess
import sys

import pytest
import timm
import torch
import torchvision
from torch import nn

from repro.errors import InputError
from repro.pretrain.byol import Byol
from repro.pretrain.encoder import Encoder
from repro.pretrain.encoder_description import macs
from tests.conftest import ROOT

CONVNEXT = {"arch": "convnext_atto", "size": 32}
SWIN = {"arch": "swin_tiny_patch4_window7_224", "size": 56}
VIT = {"arch": "vit_tiny_patch16_224", "patch": 4, "size": 28}


def states_equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("settings", "made_with"),
    [
        (VIT, {"img_size": 28, "patch_size": 4}),
        ({"arch": "mobilenetv3_small_100", "size": 28}, {}),
        ({"arch": "efficientnet_lite0", "size": 28}, {}),
        ({"arch": "convnext_atto", "size": 28}, {"output_stride": 16}),
        ({"arch": "convnext_atto", "size": 32}, {}),
        ({"arch": "timm/resnet10t", "size": 28}, {}),
    ],
)
def test_a_network_of_timms_computes_what_timm_computes_and_its_weights_load_there(settings: dict, made_with: dict):
    encoder = Encoder(**settings).eval()
    peer = timm.create_model(settings["arch"].removeprefix("timm/"), num_classes=0, **made_with).eval()
    assert encoder.made_with == {"num_classes": 0, **made_with}
    peer.load_state_dict(encoder.state_dict())
    x = torch.randn(2, 3, settings["size"], settings["size"])
    with torch.no_grad():
        h = encoder(x)
        torch.testing.assert_close(h, peer.to(memory_format=torch.channels_last)(x))
    assert h.shape == (2, encoder.features)


@pytest.mark.parametrize(("arch", "classifier"), [("mobilenet_v2", "classifier.1"), ("shufflenet_v2_x0_5", "fc")])
def test_a_network_of_torchvisions_computes_what_comes_before_its_classifier(arch: str, classifier: str):
    encoder = Encoder(arch, size=28).eval()
    peer = torchvision.models.get_model(arch, weights=None).eval()
    missing, unexpected = peer.load_state_dict(encoder.state_dict(), strict=False)
    assert (missing, unexpected) == ([f"{classifier}.weight", f"{classifier}.bias"], [])
    seen = []
    peer.get_submodule(classifier).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        peer.to(memory_format=torch.channels_last)(x)
        torch.testing.assert_close(encoder(x), seen[0])
        encoder.train()
        torch.manual_seed(0)
        first = copy.deepcopy(encoder)(x)
        assert torch.equal(first, encoder(x))  # no features are dropped


def test_the_state_of_an_encoder_inside_other_networks_has_the_librarys_keys_and_loads_back():
    torch.manual_seed(0)
    model = Byol(Encoder("resnet18", "small", 4), 8, 8)
    state = model.state_dict()
    assert "encoder.conv1.weight" in state
    assert "target_encoder.layer4.1.bn2.running_mean" in state
    assert not any("network." in key for key in state)
    other = Byol(Encoder("resnet18", "small", 4), 8, 8)
    other.load_state_dict(state)
    assert states_equal(other.state_dict(), state)


def test_tokens_are_one_per_patch_in_rows_without_the_class_token():
    torch.manual_seed(0)
    encoder = Encoder(**VIT).eval()
    assert encoder.patch == 4
    x = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        tokens = encoder.tokens(x)
        assert tokens.shape == (2, 49, 192)
        everything = encoder.network.forward_features(x)
        torch.testing.assert_close(tokens, everything[:, 1:])
        # Of the patches as they enter, the one in row 2, column 5 is token 2 * 7 + 5.
        changed = x.clone()
        changed[:, :, 8:12, 20:24] += 1
        embedded = [encoder.network.patch_embed(images) for images in (x, changed)]
        differ = (embedded[0] - embedded[1]).abs().sum(dim=(0, 2)) > 1e-4
        assert differ.nonzero().flatten().tolist() == [2 * 7 + 5]


@pytest.mark.parametrize("settings", [{}, CONVNEXT, SWIN])
def test_a_network_without_a_token_per_patch_says_so(settings: dict):
    encoder = Encoder(**settings)
    assert encoder.patch is None
    with pytest.raises(InputError, match=r"has no token per patch; take a ViT of timm's"):
        encoder.tokens(torch.zeros(1, 3, 56, 56))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"arch": "resnet19"}, "neither torchvision nor timm has this network. Did you mean 'resnet18'?"),
        ({"arch": "vit_tinny_patch16_224"}, "Did you mean 'vit_tiny_patch16_224'?"),
        ({"arch": "torchvision/convnext_atto"}, "neither torchvision nor timm has this network"),
        (
            {"arch": "vit_tiny_patch16_224", "size": 28},
            "encoder.arch=vit_tiny_patch16_224 cuts images into patches of 16 px, which do not divide data.size=28; "
            "set encoder.patch=4",
        ),
        ({"arch": "vit_tiny_patch16_224", "size": 17}, "which do not divide data.size=17; take another data.size"),
        ({"arch": "densenet121", "size": 28}, "encoder.arch=densenet121 cannot take images of data.size=28 ("),
        ({"arch": "alexnet", "size": 28}, "encoder.arch=alexnet cannot take images of data.size=28 ("),
        ({"arch": "squeezenet1_1", "size": 64}, "does not end in a Linear layer"),
        ({"arch": "resnet18", "patch": 4}, "encoder.patch=4: the patches of torchvision's resnet18 cannot be set"),
        ({"arch": "mobilenetv3_small_100", "patch": 4}, "mobilenetv3_small_100 takes no patch size"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings: dict, complaint: str):
    with pytest.raises(InputError) as error:
        Encoder(**settings)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_macs_are_those_of_convolutions_linear_layers_and_attention_counted_by_hand():
    side, patches, tokens, dim, heads, depth = 28, 49, 50, 192, 3, 12
    embedding = patches * 4 * 4 * 3 * dim
    linear = tokens * (3 * dim * dim + dim * dim + 2 * 4 * dim * dim)
    attention = 2 * heads * tokens * tokens * (dim // heads)
    assert macs(Encoder(**VIT), side) == embedding + depth * (linear + attention)

    encoder, count = Encoder(width=8), 0

    def add(layer: nn.Conv2d, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal count
        count += output[0].numel() * layer.weight[0].numel()

    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(add)
    assert macs(encoder, 28) == count > 0
    assert encoder.training


def test_describing_an_encoder_leaves_its_statistics_alone():
    encoder = Encoder("mobilenetv3_small_100", size=28)
    before = copy.deepcopy(encoder.state_dict())
    macs(encoder, 28)
    assert states_equal(encoder.state_dict(), before)


def test_a_library_is_imported_only_where_a_network_of_its_is_asked_for():
    code = (
        "import sys, repro.pretrain.encoder_description\n"
        "from repro.pretrain.encoder import Encoder\n"
        "assert 'torchvision' not in sys.modules\n"
        "Encoder('resnet18', width=4)\n"
        "assert 'timm' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
