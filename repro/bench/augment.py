"""How fast are the two views of a batch, compared with torchvision (one image at a time) and kornia?

torchvision v2 runs in a DataLoader with as many workers as there are cores, kornia and ours on the device. All have the
probabilities and strengths of the kit's defaults.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from kornia import augmentation as K
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from repro.bench.comparison import LEAST, Comparison
from repro.bench.interleaving import Way, in_turn, rates
from repro.bench.workload import DEVICE
from repro.configs.resolve import resolve
from repro.machine import cores
from repro.pretrain.augment import TwoViews
from repro.pretrain.augment.blur import in_proportion
from repro.pretrain.augment.jitter import LUMA
from repro.pretrain.encoder import normalized, to_input

REPEATS = 5

BATCHES = {28: 256, 64: 256, 128: 128, 224: 64}
"""Image size in pixels -> images in a batch."""

PER_TURN = 2
"""Batches that are timed together."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield images per second, two views each."""
    for size, batch in BATCHES.items():
        ways = _ways(size, batch)
        ours, *others = (rates(PER_TURN * batch, seconds) for seconds in in_turn(ways, repeats).values())
        for peer, theirs in zip(list(ways)[1:], others, strict=True):
            yield Comparison(f"two views, {size} px", ours, peer, theirs, "images/s", LEAST)


def _ways(size: int, batch: int) -> dict[str, Way]:
    settings = resolve()["augment"]
    images = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
    there, views = images.to(DEVICE), TwoViews(size, settings).to(DEVICE)
    chains = [_kornia(size, settings, view).to(DEVICE) for view in (0, 1)]
    loader = DataLoader(
        _Views(images, [_torchvision(size, settings, view) for view in (0, 1)]),
        batch_size=batch, num_workers=cores(), persistent_workers=True,
    )  # fmt: skip

    def ours() -> None:
        for _ in range(PER_TURN):
            views(to_input(there))

    def per_image() -> None:
        for pair in loader:
            for view in pair:
                view.to(DEVICE)

    def of_kornia() -> None:
        for _ in range(PER_TURN):
            for chain in chains:
                normalized(chain(to_input(there)))

    return {"ours": ours, "torchvision v2, per image": per_image, "kornia's modules": of_kornia}


def _kornia(size: int, settings: dict[str, Any], view: int) -> nn.Sequential:
    (kernel, sigma), (brightness, contrast, saturation, hue) = in_proportion(size), settings["jitter"]
    steps = [
        K.RandomResizedCrop((size, size), scale=tuple(settings["crop"]), cropping_mode="resample"),
        K.RandomHorizontalFlip(settings["flip"]),
        K.ColorJitter(brightness, contrast, saturation, hue, p=settings["jitter_prob"]),
        K.RandomGrayscale(torch.tensor(LUMA), p=settings["grey"]),
        K.RandomGaussianBlur((kernel, kernel), sigma, p=settings["blur"][view]),
        K.RandomSolarize((0.5, 0.5), (0.0, 0.0), p=settings["solarize"][view]),
    ]
    return nn.Sequential(*(step for step in steps if step.p > 0))


def _torchvision(size: int, settings: dict[str, Any], view: int) -> Callable[[torch.Tensor], torch.Tensor]:
    kernel, sigma = in_proportion(size)
    return v2.Compose([
        v2.RandomResizedCrop(size, scale=tuple(settings["crop"]), antialias=False),
        v2.RandomHorizontalFlip(settings["flip"]),
        v2.RandomApply([v2.ColorJitter(*settings["jitter"])], settings["jitter_prob"]),
        v2.RandomGrayscale(settings["grey"]),
        v2.RandomApply([v2.GaussianBlur(kernel, sigma)], settings["blur"][view]),
        v2.RandomSolarize(128, settings["solarize"][view]),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5] * 3, [0.25] * 3),
    ])  # fmt: skip


class _Views(Dataset):
    def __init__(self, images: torch.Tensor, transforms: list[Callable[[torch.Tensor], torch.Tensor]]) -> None:
        self.images, self.transforms = images.permute(0, 3, 1, 2).contiguous(), transforms

    def __len__(self) -> int:
        return PER_TURN * len(self.images)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        image = self.images[index % len(self.images)]
        return [transform(image) for transform in self.transforms]
