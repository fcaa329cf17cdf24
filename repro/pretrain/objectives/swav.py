"""SwAV (Caron et al. 2020): each view predicts which prototypes the other view is assigned to."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from repro.pretrain import processes
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class SwaV(Objective):
    """Swapped prediction of assignments that Sinkhorn's algorithm balances over a batch (eq. 2), with lightly's parts.

    Two views, no queue: a batch has to be larger than the number of prototypes, or nearly so.
    """

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        from lightly.loss import SwaVLoss
        from lightly.models.modules import SwaVProjectionHead, SwaVPrototypes

        heads, settings = config["heads"], config["swav"]
        head = SwaVProjectionHead(encoder.features, heads["hidden"], heads["out"])
        frozen = settings["frozen_epochs"] * context.steps // config["pretrain"]["epochs"]
        self.model = processes.join_norms(nn.Sequential(encoder, head))
        self.prototypes = SwaVPrototypes(heads["out"], settings["prototypes"], frozen)
        self.criterion = SwaVLoss(settings["temperature"], settings["iterations"], settings["epsilon"])
        if config["pretrain"]["compile"]:
            self.model.compile()

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the projections that prototypes are compared with; see `Objective.projections`."""
        return self.model(images)

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the loss of swapped assignments; see `Objective.losses`."""
        self.prototypes.normalize()
        with self.autocast():
            z1, z2 = (F.normalize(exact(self.model(view)), dim=1) for view in (first, second))
        scores = [processes.gathered(exact(self.prototypes(z, step))) for z in (z1, z2)]
        return {
            "loss": self.criterion(scores, []).sum(),
            "feature_std": feature_std(processes.gathered(z1.detach())),
        }


OBJECTIVE = SwaV
