"""The pretraining loop: BYOL, and the pull towards an additional positive."""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from repro.data import ImageSet
from repro.data.imageset import sha256_of
from repro.errors import InputError
from repro.pretrain import optimizer as optim
from repro.pretrain.augment import TwoViews
from repro.pretrain.byol import Byol, Outputs, image_losses, partner_losses, tau_at
from repro.pretrain.checkpoint import Checkpoint, History
from repro.pretrain.diagnostics import PartnerStatistics, feature_std
from repro.pretrain.encoder import Encoder, to_input
from repro.pretrain.selectors import Batch
from repro.progress import Progress

log = logging.getLogger("repro.pretrain")

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
    images: ImageSet, config: dict[str, Any], device: torch.device, checkpoint: Checkpoint, report: Report
) -> Pretrained:
    """Train an encoder on the training split without its labels.

    Everything random is a function of (seed, epoch), so a run resumed after any epoch is the run that was never
    interrupted, bit for bit on a CPU.

    Args:
        images: the data set.
        config: the whole config.
        device: where to train.
        checkpoint: where the state is kept, and found.
        report: called with every metric of every epoch, steps from 1; resumed epochs are reported again.

    Raises:
        InputError: fewer training images than a batch, or the loss is no longer finite.
    """
    settings = config["pretrain"]
    trainer = _Trainer(images, config, device)
    content = sha256_of(images.images, images.indices("train"))
    done, history = checkpoint.load(trainer.model, trainer.optimizer, content)
    if done:
        log.info("continuing from the checkpoint after epoch %d of %d", done, settings["epochs"])
    for name, logged in history.metrics.items():
        for epoch, value in enumerate(logged, start=1):
            report(name, value, epoch)
    began = time.monotonic()
    title, batches = f"pretrain {config['method']['name']}", trainer.batches
    with Progress(title, settings["epochs"] * batches, done=done * batches) as progress:
        for epoch in range(done, settings["epochs"]):
            start = time.monotonic()
            values, by_batch = trainer.train_epoch(epoch, progress)
            if not math.isfinite(values["pretrain/loss"]):
                raise InputError(
                    f"the loss is {values['pretrain/loss']} in epoch {epoch + 1}: take a lower pretrain.lr"
                )
            history.add(values, by_batch, time.monotonic() - start)
            for name, value in values.items():
                report(name, value, epoch + 1)
            if (epoch + 1) % settings["checkpoint_every"] == 0 or epoch + 1 == settings["epochs"]:
                checkpoint.save(trainer.model, trainer.optimizer, epoch + 1, history, content)
    trained = (settings["epochs"] - done) * batches * settings["batch_size"]
    return Pretrained(trainer.encoder, history, trained / (time.monotonic() - began))


class _Trainer:
    """Model, optimiser, and the training split on the device as uint8; labels are there to measure with."""

    def __init__(self, images: ImageSet, config: dict[str, Any], device: torch.device) -> None:
        train, size = images.indices("train"), config["pretrain"]["batch_size"]
        self.batches = len(train) // size
        if self.batches == 0:
            raise InputError(
                f"pretrain.batch_size={size}, but {images.name} has only {len(train)} training images; "
                "take a smaller batch"
            )
        if config["pretrain"]["warmup_epochs"] > config["pretrain"]["epochs"]:
            raise InputError(
                f"pretrain.warmup_epochs={config['pretrain']['warmup_epochs']} is more than "
                f"pretrain.epochs={config['pretrain']['epochs']}; lower it"
            )
        if config["tracin"]["exclude_group"] and images.groups is None:
            raise InputError(
                f"tracin.exclude_group=True, but which images of {images.name} share a patient or lesion is unknown"
            )
        self.config, self.device, self.classes = config, device, len(images.class_names)
        self.pixels = torch.from_numpy(images.images[train]).to(device)
        self.labels = torch.from_numpy(images.labels[train]).to(device)
        self.groups = None if images.groups is None else torch.from_numpy(images.groups[train]).to(device)
        self.views = TwoViews(config["data"]["size"], config["augment"]).to(device)
        self.encoder = new_encoder(config)
        self.model = Byol(self.encoder, **config["heads"]).to(device)
        if device.type == "cuda":
            self.model.to(memory_format=torch.channels_last)
        self.network: Any = torch.compile(self.model) if config["pretrain"]["compile"] else self.model
        self.optimizer = optim.build(self.model.online_parameters(), config["pretrain"])

    def train_epoch(self, epoch: int, progress: Progress) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Train one epoch (from 0); return its metrics, and the partner statistics batch by batch.

        Nothing waits for the device before the epoch's end.
        """
        settings, tracin = self.config["pretrain"], self.config["tracin"]
        size, steps = settings["batch_size"], settings["epochs"] * self.batches
        peak, warmup = settings["lr"] * size / 256, settings["warmup_epochs"] * self.batches
        weight = partner_weight(self.config["selector"], epoch)
        partners = PartnerStatistics(selector_key(self.config), self.classes, tracin["exclude_group"])
        generator = _seed_epoch(self.config["seed"], epoch, self.device)
        order = torch.randperm(len(self.pixels), device=self.device)
        totals = torch.zeros(4, device=self.device)
        for step, index in enumerate(order.split(size)[: self.batches], start=epoch * self.batches):
            optim.set_lr(self.optimizer, optim.lr_at(step, steps, warmup, peak))
            first, second = self.views(to_input(self.pixels[index]))
            with precision(settings["precision"], self.device):
                out = self.network(first, second)
            partner, has_partner = partners.add(self._batch(index, out, generator))
            byol = image_losses(out).mean()
            additional = (
                (partner_losses(out, partner) * has_partner).mean() if partners.used else torch.zeros_like(byol)
            )
            loss = byol + weight * additional
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.model.update_target(tau_at(step, steps, settings["tau"]))
            totals += torch.stack([loss, byol, additional, feature_std(out.t[0])]).detach()
            progress.advance()
        means = (totals / self.batches).tolist()
        values = dict(zip(("loss", "loss_byol", "loss_partner", "feature_std"), means, strict=True))
        values |= {"lambda": weight, "lr": self.optimizer.param_groups[0]["lr"]}
        logged = {f"pretrain/{k}": value for k, value in values.items() if partners.used or k != "loss_partner"}
        return logged | {f"partners/{name}": value for name, value in partners.means().items()}, partners.by_batch()

    def _batch(self, index: torch.Tensor, out: Outputs, generator: torch.Generator) -> Batch:
        """Return what selectors see of the batch of images `index` `[B]`."""
        seen = Outputs(out.p.detach(), out.a.detach(), out.t)
        return Batch(seen, self.labels[index], None if self.groups is None else self.groups[index], generator)


def selector_key(config: dict[str, Any]) -> str | None:
    """Return which selector trains: a key of `SELECTORS`, or None."""
    name = config["selector"]["name"]
    if name == "none":
        return None
    return f"tracin_{config['tracin']['normalize']}" if name == "tracin" else name


def partner_weight(settings: dict[str, Any], epoch: int) -> float:
    """Return lambda in an epoch (from 0): 0 during warm-up, a linear ramp, then `weight`; 0 without partners."""
    if settings["name"] == "none":
        return 0.0
    since = epoch - settings["warmup_epochs"]
    if since < 0:
        return 0.0
    return settings["weight"] * min(1.0, (since + 1) / (settings["ramp_epochs"] + 1))


def precision(name: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the autocast that `pretrain.precision` asks for; auto is bf16 on a GPU only."""
    bf16 = name == "bf16" or (name == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()


def _seed_epoch(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Seed order and augmentation for an epoch, and return the selectors' own generator, seeded apart from them."""
    ours, selectors = np.random.SeedSequence([seed, epoch]).generate_state(2)
    torch.manual_seed(int(ours))
    return torch.Generator(device).manual_seed(int(selectors))
