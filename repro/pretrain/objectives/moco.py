"""MoCo v2 (He et al. 2020; Chen et al. 2020, Improved Baselines): contrast with a queue of a slow network's keys."""

import copy
from typing import Any

import torch
from torch import nn

from repro.pretrain import processes
from repro.pretrain.byol import decay_at, move
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.objectives.simclr import Projector
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class MoCo(Objective):
    """InfoNCE between each view's query and the other view's key, against a queue of keys (Algorithm 1).

    Both directions, the mean of them, each with a queue of its own, so that no key is a negative of its own image. The
    key network moves as BYOL's target does. In place of shuffling images over GPUs, keys are normalised in
    `moco.splits` parts of the batch: their statistics do not tell which query is theirs.
    """

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        from lightly.loss import NTXentLoss

        heads, queue = config["heads"], (config["moco"]["queue"], config["heads"]["out"])
        query = nn.Sequential(encoder, Projector(encoder.features, heads["hidden"], heads["out"]))
        key = copy.deepcopy(query).requires_grad_(False)
        self.model = processes.join_norms(nn.ModuleDict({"query": query, "key": key}))
        self.criteria = nn.ModuleList(NTXentLoss(config["contrastive"]["temperature"], queue) for _ in range(2))
        for criterion in self.criteria:  # lightly leaves them out of the state
            bank = criterion.memory_bank
            assert isinstance(bank, nn.Module)
            for name, buffer in list(bank.named_buffers()):
                bank.register_buffer(name, buffer)
        if config["pretrain"]["compile"]:
            query.compile()

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the contrastive loss; see `Objective.losses`."""
        with self.autocast():
            queries = [self.model["query"](view) for view in (first, second)]
            keys = [self._keys(view) for view in (second, first)]
        q1, q2, k2, k1 = (processes.gathered(exact(x)) for x in (*queries, *keys))
        loss = (self.criteria[0](q1, k2) + self.criteria[1](q2, k1)) / 2
        return {"loss": loss, "feature_std": feature_std(q1.detach())}

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the queries; see `Objective.projections`."""
        return self.model["query"](images)

    def after_step(self, step: int) -> None:
        """Move the key network."""
        tau = decay_at(step, self.context.steps, self.config["pretrain"])
        move(self.model["key"], self.model["query"], tau)

    @torch.no_grad()
    def _keys(self, view: torch.Tensor) -> torch.Tensor:
        """Return the keys `[B, P]` of a view; every `splits`-th image is in one part, for the order is random."""
        splits = min(self.config["moco"]["splits"], len(view) // 2)
        parts = [self.model["key"](view[start::splits]) for start in range(splits)]
        keys = torch.empty(len(view), parts[0].shape[1], dtype=parts[0].dtype, device=view.device)
        for start, part in enumerate(parts):
            keys[start::splits] = part
        return keys


OBJECTIVE = MoCo
