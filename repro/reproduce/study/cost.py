"""What a study costs before it runs: time as a probe on this machine tells it, and disk."""

import functools
import itertools
import json
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymongo.database import Database

from repro.configs.resolve import resolve
from repro.data import SPLITS, ImageSet, split_sizes
from repro.data.imageset import UNLABELLED
from repro.errors import InputError
from repro.evaluate.budget import extra_steps, steps
from repro.evaluate.protocols import evaluate
from repro.execution.procedure import device_of
from repro.pretrain.checkpoint import Checkpoint
from repro.pretrain.encoder import Encoder, encoder_of
from repro.pretrain.loop import pretrain
from repro.pretrain.trainer import new_encoder
from repro.progress import Progress
from repro.reproduce.study.cells import Cell
from repro.threads import use_threads

BATCHES, FEW, MORE = 3, 2, 8
"""Batches of pretraining that a probe times; steps of two fine-tunings whose difference it takes [us]."""

PROBED, STORED = (0.5, 2.0), (0.8, 1.25)
"""Between which multiples of an estimate the true time is likely to be: of a probe, of a stored run. [us]"""

RECORD_MB = 1.0
"""Metrics, scores and texts of one run [us]: smoke's take 0.9 MB, without weights."""


@dataclass(frozen=True)
class Cost:
    """What one cell takes.

    Args:
        seconds: on this machine; None where the images are not to be had, so that nobody knows how many there are.
        megabytes: in the run database.
        stored: whether a stored run took so long on this machine; else a probe says so.
    """

    seconds: float | None
    megabytes: float
    stored: bool = False

    @property
    def low(self) -> float | None:
        """The least that is likely, in seconds."""
        return None if self.seconds is None else self.seconds * (STORED if self.stored else PROBED)[0]

    @property
    def high(self) -> float | None:
        """The most that is likely, in seconds."""
        return None if self.seconds is None else self.seconds * (STORED if self.stored else PROBED)[1]


def costs(cells: Sequence[Cell], known: Mapping[str, float] | None = None) -> list[Cost]:
    """Return what each cell would cost here.

    Of kinds of runs that this machine has not run yet, a few batches of random images are trained and judged. Time then
    grows with the number of images, which is wrong by what batches of the true size are faster.

    Args:
        cells: of a study.
        known: series of a cell -> the seconds that stored runs of it took on this machine.
    """
    known = known or {}
    kinds = {_kind(cell): cell for cell in cells if cell.identity["series"] not in known}
    if kinds:
        _probe(next(iter(kinds.values())))  # the first one pays for imports and kernels
    probes = {}
    with Progress("probe", len(kinds), "kind") as progress:
        for kind, cell in kinds.items():
            probes[kind] = _probe(cell)
            progress.advance()
    return [
        Cost(known[series], _megabytes(cell), stored=True)
        if (series := cell.identity["series"]) in known
        else Cost(_seconds(cell, probes[_kind(cell)]), _megabytes(cell))
        for cell in cells
    ]


def stored_seconds(database: Database, cells: Sequence[Cell]) -> dict[str, float]:
    """Return series of a cell -> the median seconds that its completed runs took on this machine."""
    wanted = {cell.identity["series"] for cell in cells}
    here = {"info.series": {"$type": "string"}, "host.hostname": platform.node(), "status": "COMPLETED"}
    took = defaultdict[str, list[float]](list)
    for run in database.runs.find(here, {"info.series": 1, "start_time": 1, "stop_time": 1}):
        series = run["info"]["series"].rpartition("-")[0]
        if series in wanted:
            took[series].append((run["stop_time"] - run["start_time"]).total_seconds())
    return {series: statistics.median(seconds) for series, seconds in took.items()}


def _kind(cell: Cell) -> str:
    """Return what decides the time that an image takes."""
    config, method = cell.config, cell.config["method"]["objective"]
    tracin = config["tracin"] if config["selector"]["name"] == "tracin" else {}
    shape = {key: config[key] for key in ("encoder", "heads", "device")}
    kind = [
        cell.task,
        method,
        tracin.get("layers", "last"),
        shape,
        config["data"]["size"],
        config["selector"]["measured"],
    ]
    return json.dumps(kind, sort_keys=True)


def _probe(cell: Cell) -> tuple[float, float]:
    """Return the seconds that an image takes in pretraining, and in a step of what is judged."""
    size = cell.config["data"]["size"]
    batch = 128 if size <= 64 else 32  # so that a probe takes seconds
    small = {
        "pretrain.epochs": 1,
        "pretrain.batch_size": batch,
        "pretrain.warmup_epochs": 0,
        "evaluate.fractions": [1.0],
        "evaluate.protocols": ["finetune"],
        "evaluate.finetune.batch_size": batch,
        "evaluate.finetune.validations": 1,
        "tracin.exclude_group": False,
        "tracin.source": "online",
    }
    config = resolve(cell.named, {**cell.updates, **small})
    use_threads(config["threads"])
    device, images = device_of(config), _noise(size, batch)
    encoder, seconds = new_encoder(config), 0.0
    if cell.pretrains:
        with tempfile.TemporaryDirectory() as folder:
            result = pretrain(images, config, device, Checkpoint(Path(folder)), lambda *_: None)
        encoder, seconds = result.encoder, result.history.seconds / (batch * BATCHES)
    if cell.task == "pretrain":
        return seconds, 0.0
    took = []
    for count in (FEW, MORE):
        config["evaluate"]["finetune"]["steps"] = count
        began = time.monotonic()  # scores on the CPU are read at the end, so nothing is left to wait for
        evaluate(encoder, images, config, 0, device, lambda *_: None)
        took.append(time.monotonic() - began)
    return seconds, max(0.0, took[1] - took[0]) / ((MORE - FEW) * batch)


def _noise(size: int, batch: int) -> ImageSet:
    """Return random images of two classes, just enough for a probe."""
    split = np.repeat(np.array(SPLITS), [batch * BATCHES, batch, batch])
    pixels = np.random.default_rng(0).integers(0, 256, (len(split), size, size, 3), dtype=np.uint8)
    return ImageSet("noise", pixels, np.arange(len(split)) % 2, split, ("a", "b"))


@functools.cache
def _sizes(settings: str) -> dict[str, int]:
    return split_sizes(json.loads(settings))


def _seconds(cell: Cell, probe: tuple[float, float]) -> float | None:
    try:
        sizes = _sizes(json.dumps(cell.config["data"]))
    except InputError:
        return None
    train, val, test = sizes["train"] + sizes.get(UNLABELLED, 0), sizes["val"], sizes["test"]
    pretraining, judging = probe
    seconds = pretraining * train * cell.config["pretrain"]["epochs"] if cell.pretrains else 0.0
    if cell.task != "pretrain":
        settings = cell.config["evaluate"]
        tuned = settings["finetune"]
        extra = extra_steps(cell.config, train)
        looked = tuned["validations"] * val / 3 + test / 3  # forward only
        for fraction in settings["fractions"]:
            seconds += judging * (steps(cell.config, extra, fraction) * tuned["batch_size"] + looked)
    return seconds


@functools.cache
def _encoder(settings: str) -> Encoder:
    encoder, size = json.loads(settings)
    return encoder_of({"seed": 0, "encoder": encoder, "data": {"size": size}})


def _megabytes(cell: Cell) -> float:
    if not cell.pretrains:
        return RECORD_MB
    encoder = _encoder(json.dumps([cell.config["encoder"], cell.config["data"]["size"]]))
    stored = itertools.chain(encoder.parameters(), encoder.buffers())
    return RECORD_MB + sum(tensor.numel() * tensor.element_size() for tensor in stored) / 1e6
