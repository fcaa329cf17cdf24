"""The pretraining loop: BYOL, and the pull towards an additional positive."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.data import ImageSet
from repro.errors import InputError
from repro.pretrain import optimizer as optim
from repro.pretrain.augment import TwoViews
from repro.pretrain.byol import Byol, Outputs, image_losses, partner_losses, tau_at
from repro.pretrain.checkpoint import Checkpoint, History
from repro.pretrain.diagnostics import PartnerStatistics, feature_std
from repro.pretrain.encoder import Encoder, to_input
from repro.pretrain.selectors import Batch
from repro.progress import Progress

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
    data = _Resident(images, device)
    batches = len(data.pixels) // settings["batch_size"]
    if batches == 0:
        raise InputError(
            f"pretrain.batch_size={settings['batch_size']}, but {images.name} has only {len(data.pixels)} training "
            "images; take a smaller batch"
        )
    model = Byol(new_encoder(config), **config["heads"]).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optim.build(model.online_parameters(), settings)
    done, history = checkpoint.load(model, optimizer)
    for name, values in history.metrics.items():
        for epoch, value in enumerate(values, start=1):
            report(name, value, epoch)

    network = torch.compile(model) if settings["compile"] else model
    views = TwoViews(config["data"]["size"], config["augment"]).to(device)
    began = time.monotonic()
    with Progress(f"pretrain {config['method']['name']}", settings["epochs"] * batches, done=done * batches) as progress:
        for epoch in range(done, settings["epochs"]):
            start = time.monotonic()
            statistics = PartnerStatistics(selector_key(config), len(images.class_names), config["tracin"]["exclude_group"])
            values = _train_epoch(epoch, batches, data, model, network, views, optimizer, statistics, config, progress)
            if not math.isfinite(values["pretrain/loss"]):
                raise InputError(f"the loss is {values['pretrain/loss']} after epoch {epoch + 1}: take a lower pretrain.lr")
            history.add(values, statistics.by_batch(), time.monotonic() - start)
            for name, value in values.items():
                report(name, value, epoch + 1)
            if (epoch + 1) % settings["checkpoint_every"] == 0 or epoch + 1 == settings["epochs"]:
                checkpoint.save(model, optimizer, epoch + 1, history)
    trained = (settings["epochs"] - done) * batches * settings["batch_size"]
    return Pretrained(model.encoder, history, trained / (time.monotonic() - began))  # type: ignore[arg-type]


def _train_epoch(
    epoch: int,
    batches: int,
    data: "_Resident",
    model: Byol,
    network: Callable[..., Any],
    views: TwoViews,
    optimizer: torch.optim.Optimizer,
    statistics: PartnerStatistics,
    config: dict[str, Any],
    progress: Progress,
) -> dict[str, float]:
    """Train one epoch (from 0) and return its metrics. Nothing waits for the device until the epoch's end."""
    settings, device = config["pretrain"], data.pixels.device
    size, steps, warmup = settings["batch_size"], settings["epochs"] * batches, settings["warmup_epochs"] * batches
    weight = partner_weight(config["selector"], epoch)
    generator = _seed_epoch(config["seed"], epoch, device)
    totals = torch.zeros(4, device=device)
    for step, index in enumerate(torch.randperm(len(data.pixels), device=device).split(size)[:batches], epoch * batches):
        optim.set_lr(optimizer, optim.lr_at(step, steps, warmup, settings["lr"] * size / 256))
        first, second = views(to_input(data.pixels[index]))
        with precision(settings["precision"], device):
            out = network(first, second)
        partner, has_partner = statistics.add(data.batch(index, out, generator))
        byol = image_losses(out).mean()
        additional = (partner_losses(out, partner) * has_partner).mean() if statistics.used else byol.new_zeros(())
        loss = byol + weight * additional
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        model.update_target(tau_at(step, steps, settings["tau"]))
        totals += torch.stack([loss, byol, additional, feature_std(out.t[0])]).detach()
        progress.advance()
    means = (totals / batches).tolist()
    values = dict(zip(("pretrain/loss", "pretrain/loss_byol", "pretrain/loss_partner", "pretrain/feature_std"), means, strict=True))
    values |= {"pretrain/lambda": weight, "pretrain/lr": optimizer.param_groups[0]["lr"]}
    return values | {f"partners/{name}": value for name, value in statistics.means().items()}


class _Resident:
    """The training split on the device: uint8 pixels, and the labels and groups that only measurements see."""

    def __init__(self, images: ImageSet, device: torch.device) -> None:
        train = images.indices("train")
        self.pixels = torch.from_numpy(images.images[train]).to(device)
        self.labels = torch.from_numpy(images.labels[train]).to(device)
        self.groups = None if images.groups is None else torch.from_numpy(images.groups[train]).to(device)

    def batch(self, index: torch.Tensor, out: Outputs, generator: torch.Generator) -> Batch:
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
