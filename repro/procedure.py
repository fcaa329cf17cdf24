"""What one run does: get the images, pretrain, judge, and say all that its numbers rest on."""

import functools
import os
import resource
import time
from pathlib import Path
from typing import Any

import torch
from pymongo.database import Database
from sacred.run import Run
from safetensors.torch import load as load_weights

from repro.configs.identity import digest, identity
from repro.configs.resolve import plain
from repro.data import ImageSet, load
from repro.errors import InputError
from repro.evaluate.protocols import evaluate
from repro.pretrain.checkpoint import Checkpoint
from repro.pretrain.encoder import Encoder
from repro.pretrain.loop import new_encoder, pretrain
from repro.provenance import provenance
from repro.recorder import Recorder
from repro.store import ENCODER, find_runs, read_artifact, runs_folder


class Procedure:
    """One run: its data, its device, and its record."""

    def __init__(self, run: Run, command: str) -> None:
        self.config = plain(run.config)
        self.images = images_of(self.config)
        self.device = device_of(self.config)
        self.recorder = Recorder(run)
        self.checkpoint = Checkpoint(checkpoint_folder(self.config))
        self.recorder.info(
            **identity(self.config, command),
            provenance=provenance(self.device),
            data={**self.images.describe(), "stands_in_for": self.config["data"]["stands_in_for"]},
        )
        self.timings: dict[str, Any] = {}

    def train(self) -> dict[str, float]:
        """Pretrain, then evaluate; return the main metric per protocol and label percent."""
        return self._evaluated(self._pretrained())

    def pretrain_only(self) -> None:
        """Pretrain, and store the encoder.

        Raises:
            InputError: the method has no pretraining.
        """
        if self.config["method"]["objective"] != "byol":
            raise InputError(f"method {self.config['method']['name']} has nothing to pretrain")
        self._pretrained()
        self._complete()

    def evaluate_stored(self, database: Database) -> dict[str, float]:
        """Evaluate the encoder of the run that `evaluate.pretraining` names; return as `train` does.

        Raises:
            InputError: there is no such run, it stored no encoder, or one of another shape.
        """
        encoder = new_encoder(self.config)
        run_id = self.config["evaluate"]["pretraining"]
        if run_id is not None:
            encoder.load_state_dict(_stored_weights(database, run_id, encoder))
        elif self.config["method"]["objective"] == "byol":
            name = self.config["method"]["name"]
            raise InputError(f"evaluate needs a stored encoder of {name}: give evaluate.pretraining=RUN_ID")
        return self._evaluated(encoder)

    def _pretrained(self) -> Encoder:
        if self.config["method"]["objective"] != "byol":
            return new_encoder(self.config)
        result = pretrain(self.images, self.config, self.device, self.checkpoint, self.recorder.metric)
        self.recorder.weights(ENCODER, result.encoder.state_dict())
        self.recorder.arrays("selection.npz", {name: rows.numpy() for name, rows in result.history.batches.items()})
        self.timings |= {
            "pretrain_s": round(result.history.seconds, 3),
            "images_per_second": round(result.images_per_second, 1),
            "interruptions": result.history.interruptions,
        }
        return result.encoder

    def _evaluated(self, encoder: Encoder) -> dict[str, float]:
        start = time.monotonic()
        supervised = self.config["method"]["objective"] == "supervised"
        extra = self._pretraining_steps() if supervised else 0
        result = evaluate(encoder, self.images, self.config, extra, self.device, self.recorder.metric)
        self.recorder.arrays("test_scores.npz", result.scores)
        self.recorder.info(label_subsets=result.label_subsets)
        self.timings["evaluate_s"] = round(time.monotonic() - start, 3)
        self._complete()
        return result.main

    def _pretraining_steps(self) -> int:
        pretraining = self.config["pretrain"]
        return pretraining["epochs"] * (len(self.images.indices("train")) // pretraining["batch_size"])

    def _complete(self) -> None:
        self.timings["peak_memory_mb"] = round(_peak_memory(self.device) / 2**20)
        self.recorder.info(timings=self.timings)
        self.recorder.complete()


@functools.lru_cache(maxsize=2)
def _images(name: str, size: int, split: str, limit: int | None) -> ImageSet:
    return load(name, size, split, limit)


def images_of(config: dict[str, Any]) -> ImageSet:
    """Return the config's images; read once per process."""
    data = config["data"]
    return _images(data["name"], data["size"], data["split"], data["limit"])


def device_of(config: dict[str, Any]) -> torch.device:
    """Return the device to compute on, and set it to repeatable kernels if the config says so.

    Raises:
        InputError: cuda is asked for and there is none.
    """
    if config["device"] == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda, but torch sees no CUDA device here; use device=cpu or device=auto")
    if config["deterministic"]:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    cuda = config["device"] != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def checkpoint_folder(config: dict[str, Any]) -> Path:
    """Return where a run keeps its checkpoint: the same config finds it again."""
    return runs_folder() / "checkpoints" / digest(config)


def _stored_weights(database: Database, run_id: int, encoder: Encoder) -> dict[str, torch.Tensor]:
    found = find_runs(database, _id=run_id)
    if not found or found[0]["status"] != "COMPLETED":
        raise InputError(f"evaluate.pretraining={run_id}: the run database has no completed run {run_id}")
    stored, own = found[0]["config"]["encoder"], {"features": encoder.features}
    if ENCODER not in {artifact["name"] for artifact in found[0]["artifacts"]}:
        raise InputError(f"evaluate.pretraining={run_id}: run {run_id} stored no encoder; it was {found[0]['command']}")
    weights = load_weights(read_artifact(database, found[0], ENCODER))
    if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in encoder.state_dict().items()}:
        raise InputError(
            f"evaluate.pretraining={run_id}: its encoder is {stored}, not {own}; give the same encoder.* settings"
        )
    return weights


def _peak_memory(device: torch.device) -> int:
    """Return the most memory used so far, in bytes: of the GPU, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024
