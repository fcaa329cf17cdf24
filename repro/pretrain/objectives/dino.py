"""DINO (Caron et al. 2021): a student agrees with a slow teacher's centred, sharpened distribution over prototypes."""

import copy
import warnings
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from repro.pretrain import processes
from repro.pretrain.augment.crop import Crop
from repro.pretrain.augment.some import Some
from repro.pretrain.byol import decay_at, move
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class Tower(nn.Module):
    """An encoder with DINO's head; its last layer has unit rows.

    Args:
        encoder: f, with its feature size as `features`.
        hidden, out: sizes of the head's layers and of its bottleneck.
        prototypes: size of what comes out.
    """

    def __init__(self, encoder: nn.Module, hidden: int, out: int, prototypes: int) -> None:
        super().__init__()
        from lightly.models.modules import DINOProjectionHead

        self.encoder = encoder
        with warnings.catch_warnings():  # of torch, about how lightly normalises weights
            warnings.simplefilter("ignore", FutureWarning)
            self.head = DINOProjectionHead(encoder.features, hidden, out, prototypes, batch_norm=True)

    def forward(self, view: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map a view `[B, 3, H, W]` to scores of prototypes `[B, K]` and the bottleneck `[B, out]`."""
        z = self.head.layers(self.encoder(view))
        return self.head.last_layer(F.normalize(z, dim=-1)), z


class Distilled(nn.Module):
    """Student and teacher; arguments as of `Tower`."""

    def __init__(self, encoder: nn.Module, hidden: int, out: int, prototypes: int) -> None:
        super().__init__()
        self.student = Tower(encoder, hidden, out, prototypes)
        self.teacher = Tower(copy.deepcopy(encoder), hidden, out, prototypes)
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.requires_grad_(False)

    def forward(
        self, views: list[torch.Tensor], small: list[torch.Tensor]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        """Return the teacher's scores of `views`, the student's of all, and the student's bottleneck of the first."""
        with torch.no_grad():
            taught = [self.teacher(view)[0] for view in views]
        seen, z = zip(*(self.student(view) for view in (*views, *small)), strict=True)
        return taught, list(seen), z[0]

    def freeze(self, frozen: bool) -> None:
        """Keep the student's prototypes as they are, or train them."""
        self.student.head.last_layer.weight_v.requires_grad_(not frozen)


class Dino(Objective):
    """Cross-entropy between teacher and student over different views (eq. 3), with lightly's parts.

    The teacher moves as BYOL's target does. `dino.crops` small crops go through the student alone; they are cut from
    the two views, in turn.
    """

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        from lightly.loss import DINOLoss

        settings, size = config["dino"], config["data"]["size"]
        self.model = processes.join_norms(
            Distilled(encoder, config["heads"]["hidden"], config["heads"]["out"], settings["prototypes"])
        )
        self.frozen_steps = settings["frozen_epochs"] * context.steps // config["pretrain"]["epochs"]
        self.criterion = DINOLoss(
            settings["prototypes"],
            teacher_temp=settings["teacher_temperature"],
            student_temp=settings["temperature"],
            center_momentum=settings["center"],
        )
        self.crop = Some(1.0, Crop((max(8, size // 2),) * 2, tuple(settings["crop"])))
        if config["pretrain"]["compile"]:
            self.model.compile()

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the cross-entropy; see `Objective.losses`."""
        views = [first, second]
        small = [self.crop(views[number % 2]) for number in range(self.config["dino"]["crops"])]
        self.model.freeze(step < self.frozen_steps)
        with self.autocast():
            taught, seen, z = self.model(views, small)
        teacher, student = ([processes.gathered(exact(x)) for x in xs] for xs in (taught, seen))
        loss = self.criterion(teacher, student)
        return {"loss": loss, "feature_std": feature_std(processes.gathered(exact(z.detach())))}

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the student's bottleneck; see `Objective.projections`."""
        return self.model.student(images)[1]

    def after_step(self, step: int) -> None:
        """Move the teacher."""
        tau = decay_at(step, self.context.steps, self.config["pretrain"])
        move(self.model.teacher, self.model.student, tau)


OBJECTIVE = Dino
