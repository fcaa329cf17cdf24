"""The hashes that name a config: which runs are the same, and which may be averaged or compared."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from repro.configs.resolve import flat, plain, settings
from repro.configs.setting import ALWAYS

VOLATILE = ("scale", "device", "data.residency", "pretrain.checkpoint_every", "selector.measure_every")
"""Keys that do not change what a run computes, or only in how many batches it measures partners; they are left out of
its hash."""

RECIPE = (
    "pretrain.optimizer", "pretrain.lr", "pretrain.momentum", "pretrain.weight_decay", "pretrain.trust",
    "pretrain.predictor_lr", "pretrain.tau", "pretrain.renewals",
)  # fmt: skip
"""Keys that belong to a method, since each is trained with the recipe that validation chose for it: runs of one study
share the images, the networks, the budget and the evaluation."""

ORIGINS = ("evaluate.pretraining", "tracin.pretraining")
"""Keys that hold the id of another run, which is another in every database: the run itself counts, not its id."""


def digest(config: Mapping[str, Any], without: Iterable[str] = ()) -> str:
    """Return the SHA-256 (first 16 hex digits) of a config's canonical JSON.

    A setting that is younger than the first stored runs counts only where it differs from what they did
    (`Setting.absent`).

    Args:
        config: nested plain config.
        without: dotted keys, or groups, left out beside the volatile ones.
    """
    left_out = (*VOLATILE, *without)
    groups = tuple(f"{key}." for key in left_out)
    absent = {key: setting.absent for key, setting in settings()}
    kept = {
        key: value
        for key, value in flat(config)
        if key not in left_out and not key.startswith(groups) and value != absent.get(key, ALWAYS)
    }
    return hashlib.sha256(json.dumps(plain(kept), sort_keys=True).encode()).hexdigest()[:16]


def identity(
    config: Mapping[str, Any], command: str, origins: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, str]:
    """Return the hashes that say what a run is.

    `cell` is everything; `series` all but the seed; `study` what runs that may be compared share: all but seed, method
    and recipe.

    Args:
        config: the resolved config.
        command: "train", "pretrain" or "evaluate".
        origins: key of `ORIGINS` -> the identity of the run that it names.
    """
    origins = origins or {}
    method = ("method", "selector", "tracin", "contrastive", "semixup", "evaluate.protocols", *RECIPE)
    free = ("seed", *ORIGINS, "pretrain.keep_every")  # what else is stored
    without = {"cell": ORIGINS, "series": free, "study": (*free, *method)}
    found = {kind: digest(config, without[kind]) for kind in without}
    for kind in ("cell", "series"):
        found[kind] = "-".join([command, found[kind], *(origins[key][kind] for key in ORIGINS if key in origins)])
    return found
