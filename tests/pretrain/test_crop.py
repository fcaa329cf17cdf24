"""Crop and resize against kornia's own, and against one box at a time."""

import pytest
import torch
from kornia.augmentation import RandomResizedCrop
from torch.nn import functional as F

from repro.pretrain.augment.crop import Crop


@pytest.mark.parametrize("size", [(28, 28), (12, 31)])
def test_it_is_kornias_with_the_same_parameters(size: tuple[int, int]):
    torch.manual_seed(0)
    own, theirs = Crop(size, (0.2, 1.0)), RandomResizedCrop(size, scale=(0.2, 1.0), cropping_mode="resample")
    x = torch.rand(24, 3, 28, 25)
    for _ in range(5):
        drawn = theirs.forward_parameters(x.shape)
        torch.testing.assert_close(own(x, params=drawn), theirs(x, params=drawn), rtol=0, atol=2e-4)


def test_it_is_torchs_resize_of_one_box_at_a_time():
    torch.manual_seed(1)
    own, x = Crop((16, 20), (0.2, 1.0)), torch.rand(24, 3, 28, 25, dtype=torch.float64)
    drawn = own.forward_parameters(x.shape)
    for cropped, image, corners in zip(own(x, params=drawn), x, drawn["src"].long(), strict=True):
        (left, top), (right, bottom) = corners[0].tolist(), corners[2].tolist()
        box = image[None, :, top : bottom + 1, left : right + 1]
        resized = F.interpolate(box, (16, 20), mode="bilinear", align_corners=True)[0]
        torch.testing.assert_close(cropped, resized, rtol=0, atol=1e-5)
