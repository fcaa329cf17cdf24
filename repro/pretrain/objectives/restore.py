"""Restoration: undo painted boxes and shuffled pixels, and tell restorations of different images apart.

As MONAI's tutorial of self-supervised pretraining does it; in-painting, out-painting and local pixel shuffling are
those of Zhou et al. 2019 (Models Genesis).
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from repro.pretrain import processes
from repro.pretrain.corruption import boxes, drawn, noise_like, shuffled
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members

SEED_SIDE = 7
"""Height and width of the image that the decoder begins with [us]."""


class Decoder(nn.Module):
    """A light decoder: a Linear layer to 7 x 7 pixels, then convolutions, each after doubling height and width. [us]

    Args:
        features: size of h.
        size: height and width of the images that come out.
        channels: of the first image; halved at each doubling, but for 8.
    """

    def __init__(self, features: int, size: int, channels: int) -> None:
        super().__init__()
        self.size, self.channels = size, channels
        self.first = nn.Linear(features, channels * SEED_SIDE**2)
        stages: list[nn.Module] = []
        for _ in range(max(0, math.ceil(math.log2(size / SEED_SIDE)))):
            fewer = max(8, channels // 2)
            stages += [nn.Upsample(scale_factor=2), nn.Conv2d(channels, fewer, 3, padding=1, bias=False)]
            stages += [nn.BatchNorm2d(fewer), nn.ReLU(inplace=True)]
            channels = fewer
        self.stages = nn.Sequential(*stages)
        self.last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Map features `[B, D]` to images `[B, 3, size, size]`."""
        seed = self.first(h).unflatten(1, (self.channels, SEED_SIDE, SEED_SIDE))
        grown = self.stages(seed)
        return self.last(F.interpolate(grown, size=(self.size, self.size)))


class Restore(Objective):
    """L = r + r c, with r the mean distance (L1) of two restorations from the image, and c the NT-Xent between them.

    The image is view 1, spoilt twice. The weight of c follows r, also in the gradient [MONAI].
    """

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        from lightly.loss import NTXentLoss

        decoder = Decoder(encoder.features, config["data"]["size"], config["restore"]["channels"])
        self.model = processes.join_norms(nn.ModuleDict({"encoder": encoder, "decoder": decoder}))
        self.contrast = NTXentLoss(config["restore"]["temperature"])
        if config["pretrain"]["compile"]:
            self.model.compile()

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the whole loss, loss_restore and loss_contrast; see `Objective.losses`."""
        spoilt = [self.spoilt(first) for _ in range(2)]
        with self.autocast():
            h = [self.model["encoder"](view) for view in spoilt]
            restored = [self.model["decoder"](each) for each in h]
        one, other = (processes.gathered(exact(each)) for each in restored)
        image = processes.gathered(first)
        distance = (F.l1_loss(one, image) + F.l1_loss(other, image)) / 2
        contrast = self.contrast(one.flatten(1), other.flatten(1))
        spread = feature_std(processes.gathered(exact(h[0].detach())))
        return {
            "loss": distance + distance * contrast,
            "loss_restore": distance.detach(),
            "loss_contrast": contrast.detach(),
            "feature_std": spread,
        }

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features, which restorations are made of; see `Objective.projections`."""
        return self.model["encoder"](images)

    def spoilt(self, images: torch.Tensor) -> torch.Tensor:
        """Return images `[B, 3, S, S]` with shuffled pixels, and noise inside of some boxes or, for others, outside."""
        settings, (n, _, side, _) = self.config["restore"], images.shape
        sizes = tuple(max(1, round(share * side)) for share in settings["box"])
        inside = boxes(n, side, settings["boxes"], sizes, images.device)
        outside = drawn(n, device=images.device) < settings["outpaint"]
        painted = torch.where(outside[:, None, None], ~inside, inside)
        moved = shuffled(images, settings["block"], settings["shuffle"])
        return torch.where(painted[:, None], noise_like(images), moved)


OBJECTIVE = Restore
