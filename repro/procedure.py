"""What one run does: get the images, pretrain, judge, and say all that its numbers rest on."""

import functools
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import torch
from pymongo.database import Database
from sacred.run import Run
from safetensors.torch import load as load_weights

from repro.configs.identity import digest
from repro.configs.resolve import plain
from repro.configs.transfers import TRANSFERS
from repro.data import ImageSet, load
from repro.data.folder import prepared_folder
from repro.errors import InputError
from repro.evaluate.budget import extra_steps
from repro.evaluate.protocols import evaluate
from repro.pretrain.byol import Byol
from repro.pretrain.checkpoint import Checkpoint, below
from repro.pretrain.encoder import Encoder
from repro.pretrain.imagenet import imagenet_encoder
from repro.pretrain.loop import new_encoder, pretrain
from repro.pretrain.objectives import OBJECTIVES
from repro.provenance import provenance
from repro.recorder import Recorder
from repro.store import ENCODER, find_runs, problems_of, read_artifact, runs_folder


class Procedure:
    """One run: its data, its device, and its record.

    Args:
        run: Sacred's.
        facts: what `info` says from the first moment.
        database: where stored networks come from, if the config asks for any.
    """

    def __init__(self, run: Run, facts: dict[str, str], database: Database) -> None:
        self.config = plain(run.config)
        self.database = database
        self.images = images_of(self.config)
        self.device = device_of(self.config)
        self.recorder = Recorder(run)
        self.checkpoint = Checkpoint(checkpoint_folder(self.config))
        self.recorder.info(
            **facts,
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
            return self._evaluated(self._untrained())
        encoder = new_encoder(self.config)
        encoder.load_state_dict(load_weights(read_artifact(self.database, pretraining, ENCODER)))
        return self._evaluated(encoder)

    def _untrained(self) -> Encoder:
        imagenet = self.config["method"]["objective"] == "imagenet"
        return imagenet_encoder(self.config["encoder"]) if imagenet else new_encoder(self.config)

    def _pretrained(self) -> Encoder:
        if self.config["method"]["objective"] not in OBJECTIVES:
            return self._untrained()
        stored = stored_networks(self.database, self.config)
        result = pretrain(self.images, self.config, self.device, self.checkpoint, self.recorder.metric, stored)
        self.recorder.weights(ENCODER, result.encoder.state_dict())
        for file in self.checkpoint.kept():
            self.recorder.file(file)
        if result.history.batches:
            self.recorder.arrays("selection.npz", {k: rows.numpy() for k, rows in result.history.batches.items()})
        self.timings |= {
            "pretrain_s": round(result.history.seconds, 3),
            "images_per_second": round(result.images_per_second, 1),
            "interruptions": result.history.interruptions,
        }
        return result.encoder

    def _evaluated(self, encoder: Encoder) -> dict[str, float]:
        start = time.monotonic()
        extra = extra_steps(self.config, len(self.images.indices("train")))
        result = evaluate(encoder, self.images, self.config, extra, self.device, self.recorder.metric)
        self.recorder.arrays("test_scores.npz", result.scores)
        self.recorder.info(label_subsets=result.label_subsets)
        self.timings["evaluate_s"] = round(time.monotonic() - start, 3)
        self._complete()
        return result.main

    def _complete(self) -> None:
        self.timings |= _peak_memory(self.device)
        self.recorder.info(timings=self.timings)
        self.recorder.complete()


@functools.lru_cache(maxsize=2)
def _images(settings: str, folder: Path) -> ImageSet:
    return load(json.loads(settings), folder)


def images_of(config: dict[str, Any]) -> ImageSet:
    """Return the config's images; read once per process."""
    return _images(json.dumps(config["data"], sort_keys=True), prepared_folder())


def device_of(config: dict[str, Any]) -> torch.device:
    """Return the device to compute on, and set it to repeatable kernels if the config says so.

    Raises:
        InputError: cuda is asked for and there is none.
    """
    if config["device"] == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda, but torch sees no CUDA device here; use device=cpu or device=auto")
    if config["deterministic"]:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(config["deterministic"])
    cuda = config["device"] != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")


def checkpoint_folder(config: dict[str, Any]) -> Path:
    """Return where a run keeps its checkpoint: the same config finds it again."""
    return runs_folder() / "checkpoints" / digest(config)


def needs_pretraining(config: dict[str, Any]) -> None:
    """Raise InputError if the config's method has nothing to pretrain."""
    if config["method"]["objective"] not in OBJECTIVES:
        raise InputError(f"method {config['method']['name']} has nothing to pretrain")


def stored_pretraining(database: Database, config: dict[str, Any]) -> dict[str, Any] | None:
    """Return the whole run whose encoder `evaluate` is to judge; None for a method without pretraining.

    Raises:
        InputError: no such run, a damaged one, or one that does not fit the config: another method or seed, another
            encoder, or the same images divided otherwise (its training images could be test images here).
    """
    run_id, own = config["evaluate"]["pretraining"], config
    where = f"evaluate.pretraining={run_id}"
    if run_id is None:
        if config["method"]["objective"] in OBJECTIVES:
            raise InputError(f"evaluate needs a stored encoder of {own['method']['name']}: evaluate.pretraining=RUN_ID")
        return None
    run = _whole_run(database, run_id, where)
    if ENCODER not in {artifact["name"] for artifact in run["artifacts"]}:
        raise InputError(
            f"{where}: run {run_id} ({run['command']}, {run['config']['method']['name']}) stored no encoder"
        )
    theirs = run["config"]
    if (theirs["method"]["name"], theirs["seed"]) != (own["method"]["name"], own["seed"]):
        says = f"{theirs['method']['name']} seed={theirs['seed']}"
        raise InputError(f"{where}: run {run_id} is {says}; say `evaluate with {says} ...`, so that the record is true")
    if theirs["encoder"] != own["encoder"]:
        raise InputError(
            f"{where}: its encoder is {theirs['encoder']}, not {own['encoder']}; give the same encoder.* settings"
        )
    _same_split(theirs, own, where)
    return run


def transfers(database: Database, config: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """Return where `evaluate.pretraining` is usually taken to: named data sets, at the size it was pretrained on.

    Empty where there is no pretraining, or no usual place.
    """
    run_id = config["evaluate"]["pretraining"]
    if run_id is None:
        return []
    theirs = _whole_run(database, run_id, f"evaluate.pretraining={run_id}")["config"]["data"]
    return [([name], {"data.size": theirs["size"]}) for name in TRANSFERS.get(theirs["name"], ())]


def stored_networks(database: Database, config: dict[str, Any]) -> list[tuple[float, Byol]]:
    """Return (learning rate, networks) of each copy that the run `tracin.pretraining` kept; none for source=online.

    Raises:
        InputError: no such run, a damaged one, one that kept no networks, or one on the same images divided otherwise.
    """
    run = source_of_tracin(database, config)
    if run is None:
        return []
    found = []
    for name in _kept(run):
        tensors = load_weights(read_artifact(database, run, name))
        model = Byol(Encoder(**run["config"]["encoder"]), **run["config"]["heads"])
        model.load_state_dict(below(tensors, "model/"))
        found.append((float(tensors["lr"]), model))
    return found


def source_of_tracin(database: Database, config: dict[str, Any]) -> dict[str, Any] | None:
    """Return the whole run that `tracin.pretraining` names; None for source=online. Raises as `stored_networks`."""
    tracin = config["tracin"]
    if tracin["source"] == "online":
        return None
    if tracin["pretraining"] is None:
        raise InputError("tracin.source=pretrained needs the run that kept the networks: tracin.pretraining=RUN_ID")
    where = f"tracin.pretraining={tracin['pretraining']}"
    run = _whole_run(database, tracin["pretraining"], where)
    if run["config"]["method"]["objective"] != "byol" or not _kept(run):
        raise InputError(f"{where}: that run kept no BYOL networks; pretrain one with pretrain.keep_every=N")
    _same_split(run["config"], config, where)
    return run


def _kept(run: dict[str, Any]) -> list[str]:
    return sorted(artifact["name"] for artifact in run["artifacts"] if artifact["name"].startswith("model-"))


def _whole_run(database: Database, run_id: int, where: str) -> dict[str, Any]:
    run = next(iter(find_runs(database, _id=run_id)), None)
    if run is None or run["status"] != "COMPLETED":
        raise InputError(
            f"{where}: the run database has no completed run {run_id}; `python -m repro.db check` lists them"
        )
    problems = problems_of(database, run)
    if problems:
        raise InputError(f"{where}: run {run_id} is damaged: {'; '.join(problems)}")
    return run


def _same_split(theirs: dict[str, Any], own: dict[str, Any], where: str) -> None:
    if theirs["data"]["name"] == own["data"]["name"] and theirs["data"]["split"] != own["data"]["split"]:
        raise InputError(
            f"{where}: it was pretrained on data.split={theirs['data']['split']}, whose training images can be test "
            f"images of data.split={own['data']['split']}"
        )


def _peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory used, in MB: by this run on a GPU, else by the process, earlier runs included."""
    if device.type == "cuda":
        return {"peak_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"process_peak_memory_mb": round(peak / (2**20 if os.uname().sysname == "Darwin" else 2**10))}
