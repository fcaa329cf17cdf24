"""One epoch and one step of pretraining: views, loss, update."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.data import ImageSet
from repro.errors import InputError
from repro.pretrain import optimizer as optim
from repro.pretrain import processes
from repro.pretrain.augment import TwoViews
from repro.pretrain.byol import Byol
from repro.pretrain.diagnostics import COLLAPSED
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives import used_objective
from repro.pretrain.objectives.base import Context
from repro.pretrain.precision import autocast
from repro.pretrain.selectors import Members
from repro.pretrain.training_images import Pixels
from repro.pretrain.weights import started
from repro.progress import Progress


def new_encoder(config: dict[str, Any]) -> Encoder:
    """Return the encoder that a run begins with, the same for every method: see `started`."""
    return started(config)[0]


class Trainer:
    """Objective, optimiser and the training split; its labels are there to measure with.

    Args:
        images: the data set.
        config: the whole config.
        device: where to train.
        stored: see `pretrain`.
    """

    def __init__(
        self, images: ImageSet, config: dict[str, Any], device: torch.device, stored: Sequence[tuple[float, Byol]]
    ) -> None:
        train, settings = images.pretraining, config["pretrain"]
        self.config, self.device, self.batches = config, device, len(train) // settings["batch_size"]
        self.pixels = Pixels(images.images, train, device, config["data"]["residency"])
        self.labels = torch.from_numpy(images.labels[train]).to(device)
        self.groups = None if images.groups is None else torch.from_numpy(images.groups[train]).to(device)
        self.views = TwoViews(config["data"]["size"], config["augment"]).to(device)
        self.encoder = new_encoder(config)
        context = Context(
            steps=settings["epochs"] * self.batches,
            classes=len(images.class_names),
            multi_label=images.multi_label,
            autocast=lambda: autocast(settings["precision"], device),
            stored=[(lr, model.to(device)) for lr, model in stored],
        )
        self.objective = used_objective(config)(self.encoder, config, context).to(device)
        self.optimizer = optim.build(self.objective.trained_parameters(), settings)

    def train_epoch(self, epoch: int, progress: Progress) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Train one epoch (from 0); return its metrics, and statistics batch by batch.

        Nothing waits for the device before the epoch's end.
        """
        self.begin_epoch(epoch)
        batches = self.pixels.batches(torch.randperm(len(self.pixels)), self.config["pretrain"]["batch_size"])
        logged: dict[str, list[torch.Tensor]] = defaultdict(list)
        for step, (index, pixels) in enumerate(batches, start=epoch * self.batches):
            first, second = self.views(pixels)
            for name, value in self.step(first, second, self.members(index), step).items():
                logged[name].append(value)
            progress.advance()
        more, by_batch = self.objective.end_epoch()
        values = {f"pretrain/{name}": float(torch.stack(each).mean()) for name, each in logged.items()}
        values["pretrain/collapsed"] = float(float(logged["feature_std"][-1]) < COLLAPSED)
        values["pretrain/lr"] = self.optimizer.param_groups[0]["lr"]
        return values | more, by_batch

    def begin_epoch(self, epoch: int) -> None:
        """Seed all that is random in an epoch (from 0), and prepare the objective for it."""
        self.objective.begin_epoch(epoch, _seed_epoch(self.config["seed"], epoch, self.device))

    def step(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Take one step of the whole training, counted from 0.

        Arguments and result are those of `Objective.losses`; the result also has the norm of the whole gradient.
        """
        settings = self.config["pretrain"]
        steps, warmup = (settings[name] * self.batches for name in ("epochs", "warmup_epochs"))
        peak = settings["lr"] * settings["batch_size"] / 256
        optim.set_lr(self.optimizer, optim.lr_at(step, steps, warmup, peak))
        terms = self.objective.losses(first, second, members, step)
        self.optimizer.zero_grad(set_to_none=True)
        self._loss(terms).backward()
        processes.sum_gradients(self.objective.parameters())
        gradients = [p.grad for p in self.objective.parameters() if p.grad is not None]
        terms["gradient_norm"] = nn.utils.get_total_norm(gradients)
        self.optimizer.step()
        self.objective.after_step(step)
        return {name: value.detach() for name, value in terms.items()}

    def _loss(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        loss = terms.get("loss")
        if isinstance(loss, torch.Tensor) and loss.ndim == 0 and loss.requires_grad:
            return loss
        what = f"a tensor {[*loss.shape]}" if isinstance(loss, torch.Tensor) else type(loss).__name__
        what += " without a gradient" if isinstance(loss, torch.Tensor) and not loss.requires_grad else ""
        name = self.config["method"]["objective"]
        raise InputError(
            f"method.objective={name}: the 'loss' that it returns is {what}, not a scalar tensor with a gradient; "
            f"correct repro/pretrain/objectives/{name}.py"
        )

    def members(self, index: torch.Tensor) -> Members:
        """Return who the images `index` `[B]` of the training split are."""
        return Members(index, self.labels[index], None if self.groups is None else self.groups[index])


def _seed_epoch(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Seed order and augmentation for an epoch, and return the selectors' own generator, seeded apart from them."""
    ours, selectors = np.random.SeedSequence([seed, epoch]).generate_state(2)
    torch.manual_seed(int(ours))
    return torch.Generator(device).manual_seed(int(selectors))
