"""Colour jitter against kornia's own, and against torchvision's, one image at a time."""

import pytest
import torch
from kornia.augmentation import ColorJitter
from torchvision.transforms import functional as TF

from repro.pretrain.augment import pieces
from repro.pretrain.augment.jitter import Jitter

BOUNDS = (0.4, 0.4, 0.2, 0.5)
"""Hue all around the circle."""


def images(count: int = 32) -> torch.Tensor:
    """Random colours, and those where two channels or all three are equal, black and white among them."""
    levels = torch.rand(count, 3, 9, 7)
    few = torch.randint(0, 3, (count, 3, 9, 7)) / 2
    return torch.cat([levels, few, levels[:, :1].expand(-1, 3, -1, -1)])


@pytest.mark.parametrize("at_once", [1, 3 * 9 * 7 * 5, 2**18], ids=["one", "five", "all"])
def test_it_is_kornias_with_the_same_parameters(monkeypatch: pytest.MonkeyPatch, at_once: int):
    monkeypatch.setattr(pieces, "NUMBERS", at_once)
    torch.manual_seed(0)
    own, theirs, x = Jitter(*BOUNDS, p=0.8), ColorJitter(*BOUNDS, p=0.8), images()
    orders = set()
    for _ in range(40):
        drawn = theirs.forward_parameters(x.shape)
        orders.add(tuple(drawn["order"].tolist()))
        before = x.clone()
        torch.testing.assert_close(own(x, params=drawn), theirs(x, params=drawn), rtol=0, atol=1e-5)
        assert torch.equal(x, before)  # what came in is not touched
    assert len(orders) > 10


def test_it_is_torchvisions_one_image_at_a_time():
    torch.manual_seed(0)
    own, x = Jitter(*BOUNDS, p=1.0), images().double()
    drawn = own.forward_parameters(x.shape)
    steps = {
        0: ("brightness_factor", TF.adjust_brightness),
        1: ("contrast_factor", TF.adjust_contrast),
        2: ("saturation_factor", TF.adjust_saturation),
        3: ("hue_factor", TF.adjust_hue),
    }
    changed = own(x, params=drawn)
    for number, image in enumerate(x):
        for step in drawn["order"].tolist():
            name, adjust = steps[step]
            image = adjust(image, float(drawn[name][number]))
        torch.testing.assert_close(changed[number], image, rtol=0, atol=2e-3)  # torchvision rounds its grey weights


def test_it_draws_what_kornia_draws():
    x = images()
    torch.manual_seed(3)
    own = Jitter(*BOUNDS, p=0.8)(x)
    torch.manual_seed(3)
    torch.testing.assert_close(own, ColorJitter(*BOUNDS, p=0.8)(x), rtol=0, atol=1e-5)


def test_without_strength_nothing_changes():
    x = images()
    torch.testing.assert_close(Jitter(0.0, 0.0, 0.0, 0.0, p=1.0)(x), x, rtol=0, atol=1e-6)
