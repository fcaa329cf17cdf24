"""The pretraining loop: views, a loss, a step, whatever the objective."""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from repro.data import ImageSet
from repro.errors import InputError
from repro.pretrain import optimizer as optim
from repro.pretrain import processes
from repro.pretrain.augment import TwoViews
from repro.pretrain.byol import Byol
from repro.pretrain.checkpoint import Checkpoint, History
from repro.pretrain.diagnostics import COLLAPSED
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives import OBJECTIVES
from repro.pretrain.objectives.base import Context
from repro.pretrain.pixels import Pixels
from repro.pretrain.precision import autocast
from repro.pretrain.selectors import Members
from repro.progress import Progress

log = logging.getLogger("repro.pretrain")

COLLAPSE = (
    "COLLAPSE: different images have nearly the same projection, so what is being learned is worthless; "
    "lower pretrain.lr, raise pretrain.tau, and keep heads.predictor"
)

Report = Callable[[str, float, float], None]
"""Takes (metric name, value, step)."""


@dataclass(frozen=True)
class Pretrained:
    """What pretraining gives.

    Args:
        encoder: the online encoder, with its weights.
        history: everything logged, also batch by batch.
        images_per_second: training throughput; 0 where nothing was left to train.
    """

    encoder: Encoder
    history: History
    images_per_second: float


def new_encoder(config: dict[str, Any]) -> Encoder:
    """Return the encoder with the random weights that the config's seed gives, the same for every method."""
    torch.manual_seed(config["seed"])
    return Encoder(**config["encoder"])


def pretrain(
    images: ImageSet,
    config: dict[str, Any],
    device: torch.device,
    checkpoint: Checkpoint,
    report: Report,
    stored: Sequence[tuple[float, Byol]] = (),
) -> Pretrained:
    """Train an encoder on the training split without its labels.

    Everything random is a function of (seed, epoch), so a run resumed after any epoch is the run that was never
    interrupted, bit for bit on a CPU. Processes that are together (`processes.together`) train one run: each takes its
    share of every batch, and all get what one process alone would, up to rounding.

    Args:
        images: the data set.
        config: the whole config.
        device: where to train.
        checkpoint: where the state is kept, and found.
        report: called with every metric of every epoch, steps from 1; resumed epochs are reported again.
        stored: (learning rate, networks) of stored checkpoints, for tracin.source=pretrained.

    Raises:
        InputError: fewer training images than a batch, settings that contradict each other, a loss or a score that is
            no longer finite, or processes that do not see the same checkpoint.
    """
    settings = config["pretrain"]
    trainer = _Trainer(images, config, device, stored)
    # Labels and groups too: oracles train on them, and partners are measured by them.
    groups = () if images.groups is None else (images.groups,)
    content = images.sha256_with(images.indices("train"), images.labels, *groups)
    done, history = checkpoint.load(trainer.objective, trainer.optimizer, content)
    if len(processes.gathered(torch.tensor([done], device=device)).unique()) > 1:
        raise InputError(
            "the processes see different checkpoints; give them one folder REPRO_RUNS, shared by all machines"
        )
    if done:
        log.info("continuing from the checkpoint after epoch %d of %d", done, settings["epochs"])
    for name, logged in history.metrics.items():
        for epoch, value in enumerate(logged, start=1):
            report(name, value, epoch)
    began = time.monotonic()
    title, batches = f"pretrain {config['method']['name']}", trainer.batches
    shown = processes.is_first()
    with Progress(title, settings["epochs"] * batches, done=done * batches, shown=shown) as progress:
        for epoch in range(done, settings["epochs"]):
            start = time.monotonic()
            values, by_batch = trainer.train_epoch(epoch, progress)
            if not math.isfinite(values["pretrain/loss"]):
                raise InputError(
                    f"the loss is {values['pretrain/loss']} in epoch {epoch + 1}: take a lower pretrain.lr"
                )
            if values["pretrain/collapsed"]:
                log.warning("epoch %d: %s", epoch + 1, COLLAPSE)
            history.add(values, by_batch, time.monotonic() - start)
            for name, value in values.items():
                report(name, value, epoch + 1)
            last = epoch + 1 == settings["epochs"]
            if last:
                history.choices = trainer.objective.choices()
            if settings["keep_every"] is not None and ((epoch + 1) % settings["keep_every"] == 0 or last):
                checkpoint.keep(trainer.objective.model, epoch + 1, values["pretrain/lr"])
            if (epoch + 1) % settings["checkpoint_every"] == 0 or last:
                checkpoint.save(trainer.objective, trainer.optimizer, epoch + 1, history, content)
    trained = (settings["epochs"] - done) * batches * settings["batch_size"]
    return Pretrained(trainer.encoder, history, trained / (time.monotonic() - began))


class _Trainer:
    """Objective, optimiser and the training split; its labels are there to measure with."""

    def __init__(
        self, images: ImageSet, config: dict[str, Any], device: torch.device, stored: Sequence[tuple[float, Byol]]
    ) -> None:
        _check(images, config)
        train, settings = images.indices("train"), config["pretrain"]
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
        self.objective = OBJECTIVES[config["method"]["objective"]](self.encoder, config, context).to(device)
        if device.type == "cuda":
            self.objective.to(memory_format=torch.channels_last)
        self.optimizer = optim.build(self.objective.trained_parameters(), settings)

    def train_epoch(self, epoch: int, progress: Progress) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Train one epoch (from 0); return its metrics, and statistics batch by batch.

        Nothing waits for the device before the epoch's end.
        """
        settings, objective = self.config["pretrain"], self.objective
        size, steps = settings["batch_size"], settings["epochs"] * self.batches
        peak, warmup = settings["lr"] * size / 256, settings["warmup_epochs"] * self.batches
        objective.begin_epoch(epoch, _seed_epoch(self.config["seed"], epoch, self.device))
        batches = self.pixels.batches(torch.randperm(len(self.pixels)), size)
        logged: dict[str, list[torch.Tensor]] = defaultdict(list)
        for step, (index, pixels) in enumerate(batches, start=epoch * self.batches):
            optim.set_lr(self.optimizer, optim.lr_at(step, steps, warmup, peak))
            first, second = self.views(pixels)
            terms = objective.losses(first, second, self._members(index), step)
            self.optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            processes.sum_gradients(objective.parameters())
            self.optimizer.step()
            objective.after_step(step)
            for name, value in terms.items():
                logged[name].append(value.detach())
            progress.advance()
        more, by_batch = objective.end_epoch()
        values = {f"pretrain/{name}": float(torch.stack(each).mean()) for name, each in logged.items()}
        values["pretrain/collapsed"] = float(float(logged["feature_std"][-1]) < COLLAPSED)
        values["pretrain/lr"] = self.optimizer.param_groups[0]["lr"]
        return values | more, by_batch

    def _members(self, index: torch.Tensor) -> Members:
        """Return who the images `index` `[B]` of the training split are."""
        return Members(index, self.labels[index], None if self.groups is None else self.groups[index])


def fits(config: dict[str, Any], number: int) -> None:
    """Raise InputError if so many processes cannot train with the config together."""
    settings = config["pretrain"]
    if settings["batch_size"] % number:
        raise InputError(
            f"pretrain.batch_size={settings['batch_size']} is the whole batch, and {number} processes cannot share it "
            f"evenly; take a multiple of {number}"
        )
    if number > 1 and settings["compile"]:
        raise InputError("pretrain.compile=True is for one process; start one, or set pretrain.compile=False")
    if number > 1 and config["tracin"]["source"] != "online":
        raise InputError(
            f"tracin.source={config['tracin']['source']} takes networks from the run database, which only one process "
            "opens; start one process, or set tracin.source=online"
        )


def _check(images: ImageSet, config: dict[str, Any]) -> None:
    """Raise InputError for settings that do not fit the data or each other."""
    fits(config, processes.count())
    train, settings = images.indices("train"), config["pretrain"]
    if len(train) < settings["batch_size"]:
        raise InputError(
            f"pretrain.batch_size={settings['batch_size']}, but {images.name} has only {len(train)} training images; "
            "take a smaller batch"
        )
    if settings["warmup_epochs"] > settings["epochs"]:
        raise InputError(
            f"pretrain.warmup_epochs={settings['warmup_epochs']} is more than "
            f"pretrain.epochs={settings['epochs']}; lower it"
        )
    if config["tracin"]["exclude_group"] and images.groups is None:
        raise InputError(
            f"tracin.exclude_group=True, but which images of {images.name} share a patient or lesion is unknown"
        )
    if settings["compile"] and config["tracin"]["layers"] != "last" and config["method"]["objective"] == "byol":
        raise InputError(
            f"tracin.layers={config['tracin']['layers']} looks into the networks, which pretrain.compile=True closes; "
            "set pretrain.compile=False"
        )


def _seed_epoch(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Seed order and augmentation for an epoch, and return the selectors' own generator, seeded apart from them."""
    ours, selectors = np.random.SeedSequence([seed, epoch]).generate_state(2)
    torch.manual_seed(int(ours))
    return torch.Generator(device).manual_seed(int(selectors))
