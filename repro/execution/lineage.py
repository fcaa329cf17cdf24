"""Inputs from earlier runs: an encoder to evaluate, networks whose gradients choose partners."""

import logging
from typing import Any

from pymongo.database import Database
from safetensors.torch import load as load_weights

from repro.configs.resolve import defaults
from repro.configs.transfers import SAME_IMAGES, TRANSFERS
from repro.errors import InputError
from repro.pretrain.byol import Byol
from repro.pretrain.checkpoint import below
from repro.pretrain.encoder import encoder_of
from repro.pretrain.objectives import OBJECTIVES
from repro.store import ENCODER, NO_ENCODER, find_runs, problems_of, read_artifact

log = logging.getLogger("repro")


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
        raise InputError(f"{where}: run {run_id} ({run['command']}, {run['config']['method']['name']}) {NO_ENCODER}")
    theirs = run["config"]
    if (theirs["method"]["name"], theirs["seed"]) != (own["method"]["name"], own["seed"]):
        says = f"{theirs['method']['name']} seed={theirs['seed']}"
        raise InputError(f"{where}: run {run_id} is {says}; write `evaluate with {says} ...`")
    before = {**defaults()["encoder"], **theirs["encoder"]}  # an older run lacks the newer settings
    if before != own["encoder"]:
        raise InputError(f"{where}: its encoder is {before}, not {own['encoder']}; give the same encoder.* settings")
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
        model = Byol(encoder_of(run["config"]), **run["config"]["heads"])
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
    """Refuse an encoder whose training images could be test images here."""
    names = theirs["data"]["name"], own["data"]["name"]
    for key in ("split", "split_seed", "csv"):
        now = own["data"][key]
        before = theirs["data"].get(key, now)
        if names[0] == names[1] and before != now:
            raise InputError(
                f"{where}: it was pretrained on data.{key}={before}, whose training images can be test images of "
                f"data.{key}={now}"
            )
    if set(names) in SAME_IMAGES:
        log.warning("%s: %s and %s hold the same images, divided otherwise: it has seen test images", where, *names)
