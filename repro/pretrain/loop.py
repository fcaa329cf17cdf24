"""Pretraining from the first epoch to the last, whatever the objective: it reports, checkpoints and resumes."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from repro import machine
from repro.data import ImageSet
from repro.errors import InputError
from repro.pretrain import processes
from repro.pretrain.byol import Byol
from repro.pretrain.checkpoint import Checkpoint, History
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives import Objective, used_objective
from repro.pretrain.objectives.partnered import Partnered
from repro.pretrain.trainer import Trainer
from repro.progress import Progress

log = logging.getLogger("repro.pretrain")

COLLAPSE = (
    "COLLAPSE: different images have nearly the same projection, so nothing useful is learned; "
    "lower pretrain.lr, raise pretrain.tau, and keep heads.predictor"
)

Report = Callable[[str, float, float], None]
"""Takes (metric name, value, step)."""

Look = Callable[[Objective, Encoder], dict[str, float]]
"""Takes the networks in training, and returns metrics of what they have learned; for selector.start=learned also
`LEARNED`."""

LEARNED = "probe/learned"
"""Metric of a look: 1 where the linear readout is above that of random weights, else 0."""


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


def pretrain(
    images: ImageSet,
    config: dict[str, Any],
    device: torch.device,
    checkpoint: Checkpoint,
    report: Report,
    stored: Sequence[tuple[float, Byol]] = (),
    look: Look | None = None,
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
        look: called before training and at the ends of some epochs (`looks`); its metrics are reported as well.

    Raises:
        InputError: fewer training images than a batch, settings that contradict each other, a loss or a score that is
            no longer finite, or processes that do not see the same checkpoint.
    """
    settings = config["pretrain"]
    _check(images, config)
    trainer = Trainer(images, config, device, stored)
    # Labels and groups too: oracles train on them, and partners are measured by them.
    groups = () if images.groups is None else (images.groups,)
    content = images.sha256_with(images.pretraining, images.labels, *groups)
    done, history = checkpoint.load(trainer.objective, trainer.optimizer, content)
    if len(processes.gathered(torch.tensor([done], device=device)).unique()) > 1:
        raise InputError(
            "the processes see different checkpoints; give them one folder REPRO_RUNS, shared by all machines"
        )
    if done:
        log.info("resuming from the checkpoint after epoch %d of %d", done, settings["epochs"])
    for name, logged in history.metrics.items():
        for epoch, value in enumerate(logged, start=1):
            report(name, value, epoch)
    planned = looks(settings) if look is not None else []
    for name, probed in history.probes.items():
        for epoch, value in zip(planned, probed, strict=False):
            report(name, value, epoch)

    def tell_if_learned() -> None:
        found = zip(planned, history.probes.get(LEARNED, []), strict=False)
        first = next((epoch for epoch, learned in found if learned), None)
        if first is not None:
            trainer.objective.learned(first)

    def take_a_look(epoch: int) -> None:
        if look is not None and epoch in planned:
            for name, value in look(trainer.objective, trainer.encoder).items():
                history.probes.setdefault(name, []).append(value)
                report(name, value, epoch)
            tell_if_learned()

    tell_if_learned()
    if not done:
        take_a_look(0)
    began = time.monotonic()
    title, batches = f"pretrain {config['method']['name']}", trainer.batches
    shown, batch = processes.is_first(), settings["batch_size"]
    with Progress(title, settings["epochs"] * batches, done=done * batches, shown=shown, images=batch) as progress:
        for epoch in range(done, settings["epochs"]):
            start, used, busy = time.monotonic(), time.process_time(), machine.busy()
            values, by_batch = trainer.train_epoch(epoch, progress)
            if not math.isfinite(values["pretrain/loss"]):
                raise InputError(
                    f"the loss is {values['pretrain/loss']} in epoch {epoch + 1}: take a lower pretrain.lr; in a "
                    "method of your own, look in its loss for a division by zero or the logarithm of zero"
                )
            if values["pretrain/collapsed"]:
                log.warning("epoch %d: %s", epoch + 1, COLLAPSE)
            own = time.process_time() - used
            history.add(values, by_batch, time.monotonic() - start, own, max(machine.busy() - busy - own, 0.0))
            for name, value in values.items():
                report(name, value, epoch + 1)
            take_a_look(epoch + 1)
            last = epoch + 1 == settings["epochs"]
            if last:
                history.choices = trainer.objective.choices()
            if settings["keep_every"] is not None and ((epoch + 1) % settings["keep_every"] == 0 or last):
                checkpoint.keep(trainer.objective.model, epoch + 1, values["pretrain/lr"])
            if (epoch + 1) % settings["checkpoint_every"] == 0 or last:
                checkpoint.save(trainer.objective, trainer.optimizer, epoch + 1, history, content)
    trained = (settings["epochs"] - done) * batches * settings["batch_size"]
    return Pretrained(trainer.encoder, history, trained / (time.monotonic() - began))


def looks(settings: dict[str, Any]) -> list[int]:
    """Return after which epochs the networks are looked at: 0, every `pretrain.probe_every`, and the last."""
    epochs = settings["epochs"]
    every = settings["probe_every"] or max(1, epochs // 10)
    return sorted({*range(0, epochs + 1, every), epochs})


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
    if number > 1 and config["selector"]["start"] == "learned":
        raise InputError(
            "selector.start=learned waits for a probe, which only one process takes; start one process, or set "
            "selector.start=epochs"
        )
    if number > 1 and config["tracin"]["source"] != "online":
        raise InputError(
            f"tracin.source={config['tracin']['source']} takes networks from the run database, which only one process "
            "opens; start one process, or set tracin.source=online"
        )


def fitting(config: dict[str, Any], images: ImageSet) -> dict[str, Any]:
    """Return the config with batches that the training split can fill.

    A batch of more images than there are for training becomes half of them, so that an epoch has two steps: the same
    for every method. [us]
    """
    settings, training = config["pretrain"], len(images.pretraining)
    if training >= settings["batch_size"]:
        return config
    number = processes.started()  # each process takes its share
    smaller = max(2, training // 2 // number * number)
    log.warning(
        "pretrain.batch_size=%d, but %s has only %d training images: batches of %d are used",
        *(settings["batch_size"], images.name, training, smaller),
    )
    return {**config, "pretrain": {**settings, "batch_size": smaller}}


def _check(images: ImageSet, config: dict[str, Any]) -> None:
    """Raise InputError for settings that do not fit the data or each other."""
    fits(config, processes.count())
    train, settings = images.pretraining, config["pretrain"]
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
    if settings["compile"] and config["tracin"]["layers"] != "last" and issubclass(used_objective(config), Partnered):
        raise InputError(
            f"tracin.layers={config['tracin']['layers']} does not work with compiled networks; "
            "set pretrain.compile=False"
        )
