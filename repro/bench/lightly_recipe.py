"""BYOL as lightly's documentation writes it: its transforms, torch's DataLoader, its heads, loss and momentum."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from repro.machine import cores
from repro.pretrain.augment.blur import in_proportion
from repro.pretrain.byol import decay_at
from repro.pretrain.encoder import Encoder
from repro.pretrain.precision import autocast


class Recipe:
    """Trains BYOL with lightly's parts on the same images, networks, batches and precision as a config.

    Args:
        images: uint8 `[N, H, W, 3]`.
        encoder: the encoder, trained in place.
        config: the whole config; views are as its `augment` says, as far as lightly's transform can.
        device: where to train.
    """

    def __init__(self, images: np.ndarray, encoder: Encoder, config: dict[str, Any], device: torch.device) -> None:
        from lightly.loss import NegativeCosineSimilarity
        from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
        from lightly.models.utils import deactivate_requires_grad

        heads, settings = config["heads"], config["pretrain"]
        self.device, self.config = device, config
        self.backbone = encoder.to(device)
        self.projector = BYOLProjectionHead(encoder.features, heads["hidden"], heads["out"]).to(device)
        self.predictor = BYOLPredictionHead(heads["out"], heads["hidden"], heads["out"]).to(device)
        self.target = copy.deepcopy(nn.Sequential(self.backbone, self.projector))
        deactivate_requires_grad(self.target)
        self.criterion = NegativeCosineSimilarity()
        trained = [*self.backbone.parameters(), *self.projector.parameters(), *self.predictor.parameters()]
        self.optimizer = torch.optim.SGD(
            trained, lr=settings["lr"], momentum=settings["momentum"], weight_decay=settings["weight_decay"]
        )
        self.loader = DataLoader(
            _Pictures(images, _transform(config)), settings["batch_size"], shuffle=True, drop_last=True,
            num_workers=cores(), persistent_workers=True, pin_memory=device.type == "cuda",
        )  # fmt: skip

    def epoch(self) -> None:
        """Train one epoch."""
        from lightly.models.utils import update_momentum

        online = nn.Sequential(self.backbone, self.projector)
        settings = self.config["pretrain"]
        tau = decay_at(0, settings["epochs"] * len(self.loader), settings)
        for first, second in self.loader:
            views = [view.to(self.device, non_blocking=True) for view in (first, second)]
            update_momentum(online, self.target, m=tau)
            with autocast(self.config["pretrain"]["precision"], self.device):
                predicted = [self.predictor(online(view)) for view in views]
                with torch.no_grad():
                    targets = [self.target(view) for view in views]
                loss = (self.criterion(predicted[0], targets[1]) + self.criterion(predicted[1], targets[0])) / 2
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


def _transform(config: dict[str, Any]) -> Callable[[Image.Image], Any]:
    from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform

    settings, size = config["augment"], config["data"]["size"]
    brightness, contrast, saturation, hue = settings["jitter"]
    same = {
        "input_size": size, "cj_prob": settings["jitter_prob"], "cj_bright": brightness, "cj_contrast": contrast,
        "cj_sat": saturation, "cj_hue": hue, "min_scale": settings["crop"][0], "random_gray_scale": settings["grey"],
        "sigmas": in_proportion(size)[1], "hf_prob": settings["flip"],
    }  # fmt: skip
    of_view = [
        {"gaussian_blur": settings["blur"][view], "solarization_prob": settings["solarize"][view]} for view in (0, 1)
    ]
    return BYOLTransform(BYOLView1Transform(**same, **of_view[0]), BYOLView2Transform(**same, **of_view[1]))


class _Pictures(Dataset):
    def __init__(self, images: np.ndarray, transform: Callable[[Image.Image], Any]) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        return self.transform(Image.fromarray(self.images[index]))
