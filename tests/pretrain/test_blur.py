"""Gaussian blur against kornia's own, and against one image at a time with torchvision's."""

import pytest
import torch
from kornia.augmentation import RandomGaussianBlur
from torchvision.transforms import functional as TF

from repro.pretrain.augment import pieces
from repro.pretrain.augment.blur import Blur


@pytest.mark.parametrize("kernel", [(3, 3), (7, 7), (5, 9)])
@pytest.mark.parametrize("numbers", [1, 2**18], ids=["one at a time", "all at once"])
def test_it_is_kornias_with_the_same_parameters(monkeypatch: pytest.MonkeyPatch, kernel: tuple[int, int], numbers: int):
    monkeypatch.setattr(pieces, "NUMBERS", numbers)
    torch.manual_seed(0)
    own, theirs = (kind(kernel, (0.05, 2.0), p=0.6) for kind in (Blur, RandomGaussianBlur))
    x = torch.rand(12, 3, 20, 17)
    for _ in range(5):
        drawn = theirs.forward_parameters(x.shape)
        torch.testing.assert_close(own(x, params=drawn), theirs(x, params=drawn), rtol=0, atol=1e-6)


def test_it_is_torchvisions_one_image_at_a_time():
    torch.manual_seed(1)
    own, x = Blur((7, 7), (0.2, 1.5), p=1.0), torch.rand(6, 3, 20, 17, dtype=torch.float64)
    drawn = own.forward_parameters(x.shape)
    for blurred, image, sigma in zip(own(x, params=drawn), x, drawn["sigma"], strict=True):
        torch.testing.assert_close(blurred, TF.gaussian_blur(image, [7, 7], [float(sigma)] * 2), rtol=0, atol=1e-6)


def test_a_kernel_that_the_image_is_too_small_for_is_refused():
    with pytest.raises((RuntimeError, ValueError)):
        Blur((9, 9), (0.5, 1.0), p=1.0)(torch.rand(2, 3, 4, 4))
