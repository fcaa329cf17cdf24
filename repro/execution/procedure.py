"""What one run does: read the images, pretrain, evaluate, and record what the numbers depend on."""

import logging
import math
import os
import resource
import time
from dataclasses import asdict
from typing import Any

import torch
from pymongo.database import Database
from sacred.run import Run
from safetensors.torch import load as load_weights

from repro.configs.identity import overridden
from repro.configs.resolve import plain
from repro.configs.show import sources
from repro.data import ImageSet
from repro.errors import InputError
from repro.evaluate.budget import extra_steps
from repro.evaluate.probe import Probe, told
from repro.evaluate.protocols import evaluate
from repro.execution.lineage import stored_networks, stored_pretraining
from repro.execution.recorder import Recorder
from repro.execution.resources import checkpoint_folder, images_of
from repro.pretrain import example_images, processes
from repro.pretrain.checkpoint import Checkpoint, Followed
from repro.pretrain.encoder import Encoder, encoder_of
from repro.pretrain.loop import fits, fitting, pretrain
from repro.pretrain.objectives import OBJECTIVES
from repro.pretrain.trainer import new_encoder
from repro.provenance import provenance
from repro.store import ENCODER, read_artifact
from repro.threads import use_threads
from repro.weights import about_encoder

log = logging.getLogger("repro")


class Procedure:
    """One run: its data, its device, and its record.

    Args:
        run: Sacred's.
        facts: what `info` says from the first moment.
        database: where stored networks come from, if the config asks for any.
    """

    def __init__(self, run: Run, facts: dict[str, Any], database: Database) -> None:
        self.config = plain(run.config)
        self.database = database
        self.images = images_of(self.config)
        _say_unscored(self.images)
        self.device = device_of(self.config)
        self.recorder = Recorder(run)
        self.checkpoint = Checkpoint(checkpoint_folder(self.config))
        sources_of_settings, overridden_settings = sources(self.config), overridden(self.config)
        self.config = fitting(self.config, self.images)
        self.recorder.info(
            **facts,
            sources=sources_of_settings,
            overridden=overridden_settings,
            batch_size=self.config["pretrain"]["batch_size"],
            provenance=provenance(self.device),
            data={**self.images.describe(), "stands_in_for": self.config["data"]["stands_in_for"]},
        )
        self.timings: dict[str, Any] = {}
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def train(self) -> dict[str, float]:
        """Pretrain, then evaluate; return the main metric per protocol and label percent."""
        return self._evaluated(self._pretrained())

    def pretrain_only(self) -> None:
        """Pretrain, and store the encoder."""
        self._pretrained()
        self._complete()

    def evaluate_stored(self) -> dict[str, float]:
        """Evaluate the encoder of the run that `evaluate.pretraining` names; return as `train` does."""
        pretraining = stored_pretraining(self.database, self.config)
        if pretraining is None:
            return self._evaluated(new_encoder(self.config))
        encoder = encoder_of(self.config)
        encoder.load_state_dict(load_weights(read_artifact(self.database, pretraining, ENCODER)))
        return self._evaluated(encoder)

    def _pretrained(self) -> Encoder:
        if self.config["method"]["objective"] not in OBJECTIVES:
            return new_encoder(self.config)
        stored = stored_networks(self.database, self.config)
        with processes.together(self.device):
            probe = Probe(self.images, self.config, self.device)
            result = pretrain(
                self.images, self.config, self.device, self.checkpoint, self.recorder.metric, stored, probe.look
            )
        gain = probe.gain(encoder_of(self.config), result.encoder)
        self.recorder.info(learning={**asdict(gain), "learned": gain.learned})
        log.log(*told(self.config["method"]["name"], gain))
        self.recorder.weights(ENCODER, result.encoder.state_dict(), **about_encoder(self.config))
        for file in self.checkpoint.kept():
            self.recorder.file(file)
        if result.history.batches:
            # In an order of its own: a checkpoint keeps none, and the same run has the same bytes.
            batches = sorted(result.history.batches.items())
            self.recorder.arrays("selection.npz", {name: rows.numpy() for name, rows in batches})
        self.recorder.arrays("views.pictures.npz", example_images.viewed(self.images, self.config))
        if result.history.choices:
            self.recorder.arrays("partners.pictures.npz", example_images.partnered(self.images, result.history.choices))
        self.timings |= {
            "pretrain_s": round(result.history.seconds, 3),
            "images_per_second": round(result.images_per_second, 1),
            "interruptions": result.history.interruptions,
            "processes": processes.started(),
        }
        if math.isfinite(result.history.processor_seconds):
            self.timings["pretrain_processor_s"] = round(result.history.processor_seconds, 3)
        if math.isfinite(result.history.other_seconds) and result.history.seconds > 0:
            self.timings["other_work_cores"] = round(result.history.other_seconds / result.history.seconds, 2)
        return result.encoder

    def _evaluated(self, encoder: Encoder) -> dict[str, float]:
        start, used = time.monotonic(), time.process_time()
        extra = extra_steps(self.config, len(self.images.pretraining))
        result = evaluate(encoder, self.images, self.config, extra, self.device, self.recorder.metric)
        if result.scores:
            self.recorder.arrays("test_scores.npz", result.scores)
        if result.features:
            self.recorder.arrays("features.npz", result.features)
        self.recorder.info(label_subsets=result.label_subsets)
        if result.images_per_second is not None:
            self.timings["features_per_second"] = round(result.images_per_second, 1)
        self.timings["evaluate_s"] = round(time.monotonic() - start, 3)
        self.timings["evaluate_processor_s"] = round(time.process_time() - used, 3)
        self._complete()
        return result.main

    def _complete(self) -> None:
        self.timings |= _peak_memory(self.device)
        self.recorder.info(timings=self.timings)
        self.recorder.complete()


def assist(config: dict[str, Any]) -> None:
    """Take a share of a pretraining that the first process records; all else that the run does is the first's.

    Raises as `pretrain` does.
    """
    use_threads(config["threads"])
    device = device_of(config)
    with processes.together(device):  # the first comes when it has prepared the images
        images = images_of(config)
        followed = Followed(checkpoint_folder(config))
        pretrain(images, fitting(config, images), device, followed, lambda *_: None)


def _say_unscored(images: ImageSet) -> None:
    """Say before any training which labels cannot be scored, and what that does to the means."""
    for split, consequence in (
        ("test", "means over labels leave it out"),
        ("val", "it is not used to choose the model"),
    ):
        if len(images.indices(split)) and (names := images.unscored(split)):
            log.warning(
                "%s: all or none of the images of the %s split have label %s: %s",
                images.name,
                split,
                ", ".join(names),
                consequence,
            )


def device_of(config: dict[str, Any]) -> torch.device:
    """Return the device to compute on, and set it to repeatable kernels if the config says so.

    Raises:
        InputError: cuda is asked for and there is none, or there are fewer GPUs than processes.
    """
    if config["device"] == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda, but torch sees no CUDA device here; use device=cpu or device=auto")
    if config["deterministic"]:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(config["deterministic"])
    cuda = config["device"] != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    processes.on_this_device(device)
    return device


def pretrains(config: dict[str, Any], command: str) -> bool:
    """Whether the command pretrains with this config.

    Raises:
        InputError: it would, but the processes that torchrun started cannot do so together.
    """
    if command == "evaluate" or config["method"]["objective"] not in OBJECTIVES:
        return False
    fits(config, processes.started())
    return True


def needs_pretraining(config: dict[str, Any]) -> None:
    """Raise InputError if the config's method has nothing to pretrain."""
    if config["method"]["objective"] not in OBJECTIVES:
        raise InputError(f"method {config['method']['name']} has nothing to pretrain; leave out the command `pretrain`")


def _peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory used, in MB: by this run on a GPU, else by the process, earlier runs included."""
    if device.type == "cuda":
        return {"peak_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"process_peak_memory_mb": round(peak / (2**20 if os.uname().sysname == "Darwin" else 2**10))}
