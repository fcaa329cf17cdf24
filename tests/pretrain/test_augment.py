"""The two views: every image by itself, in range, and as the settings say."""

import torch
from kornia import augmentation as K

from repro.configs.resolve import resolve
from repro.pretrain.augment import LightViews, TwoViews
from repro.pretrain.augment.jitter import Jitter
from repro.pretrain.augment.some import Some


def views_of(images: torch.Tensor, **changes: object) -> tuple[torch.Tensor, torch.Tensor]:
    config = resolve(updates={f"augment.{key}": value for key, value in changes.items()})
    return TwoViews(images.shape[-1], config["augment"])(images)


NOTHING = {"crop": [1.0, 1.0], "flip": 0.0, "jitter_prob": 0.0, "grey": 0.0, "blur": [0.0, 0.0], "solarize": [0.0, 0.0]}


def test_copies_of_one_image_get_parameters_of_their_own():
    torch.manual_seed(0)
    first, second = views_of(torch.rand(1, 3, 28, 28).repeat(16, 1, 1, 1))
    for view in (first, second):
        different = (view[:, None] - view[None]).abs().amax(dim=(2, 3, 4)) > 1e-3
        assert different[~torch.eye(16, dtype=torch.bool)].all()


def test_views_stay_in_the_range_of_normalised_images():
    torch.manual_seed(0)
    for view in views_of(torch.rand(64, 3, 28, 28)):
        assert view.shape == (64, 3, 28, 28)
        assert float(view.min()) >= -2 - 1e-4
        assert float(view.max()) <= 2 + 1e-4


def test_the_same_seed_gives_the_same_views():
    images = torch.rand(8, 3, 28, 28)
    torch.manual_seed(1)
    once = views_of(images)
    torch.manual_seed(1)
    again = views_of(images)
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])


def test_greying_alone_is_the_luma_of_the_image():
    images = torch.rand(4, 3, 28, 28)
    first, _ = views_of(images, **{**NOTHING, "grey": 1.0, "crop": [1.0, 1.0]})
    assert torch.equal(first[:, 0], first[:, 1])
    mean = (first.mean(dim=(1, 2, 3)) * 0.25) + 0.5
    luma = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1).mean(dim=(1, 2))
    torch.testing.assert_close(mean, luma, rtol=0.05, atol=0.02)


def test_solarising_inverts_what_is_bright_in_the_second_view_only():
    images = torch.full((2, 3, 28, 28), 0.8)
    first, second = views_of(images, **{**NOTHING, "solarize": [0.0, 1.0]})
    torch.testing.assert_close(first, torch.full_like(first, (0.8 - 0.5) / 0.25))
    torch.testing.assert_close(second, torch.full_like(second, (0.2 - 0.5) / 0.25), rtol=1e-4, atol=1e-4)


def test_fine_tuning_views_are_mild():
    torch.manual_seed(0)
    images = torch.rand(32, 3, 28, 28)
    view = LightViews(28)(images)
    assert view.shape == images.shape
    assert float((view.mean() * 0.25 + 0.5 - images.mean()).abs()) < 0.05


def test_some_images_are_those_that_are_drawn_with_their_own_parameters():
    images = torch.rand(400, 3, 28, 28)
    flip, brighten = Some(0.3, K.RandomHorizontalFlip(p=1.0)), Some(0.6, Jitter(0.4, 0.0, 0.0, 0.0, p=1.0))
    torch.manual_seed(2)
    flipped = flip(images.clone())
    was_flipped = (flipped == images.flip(3)).all(dim=(1, 2, 3))
    assert ((flipped == images).all(dim=(1, 2, 3)) ^ was_flipped).all()
    assert 0.2 < was_flipped.float().mean() < 0.4

    torch.manual_seed(3)
    drawn = brighten.augmentation.forward_parameters(images.shape)
    chosen = torch.rand(400) < 0.6
    whole = brighten.augmentation(images, params=drawn)
    expected = torch.where(chosen[:, None, None, None], whole, images)
    torch.manual_seed(3)
    torch.testing.assert_close(brighten(images.clone()), expected, rtol=0, atol=1e-6)


def test_what_is_given_is_not_changed():
    images = torch.rand(16, 3, 28, 28)
    before = images.clone()
    views_of(images, grey=0.5)
    LightViews(28)(images)
    assert torch.equal(images, before)
