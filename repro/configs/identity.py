"""The hashes that name a config: which runs are the same, and which may be averaged or compared."""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from repro.configs import NAMED
from repro.configs.resolve import flat, plain, resolve, settings
from repro.configs.setting import ALWAYS

VOLATILE = ("scale", "device", "data.title", "data.residency", "pretrain.checkpoint_every", "selector.measure_every")
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


OF_METHODS = (
    "contrastive",
    "simsiam",
    "moco",
    "barlow_twins",
    "vicreg",
    "swav",
    "dino",
    "restore",
    "gmml",
    "semixup",
    "fixmatch",
)
"""Groups of settings that one method or a few have."""

FILES = ("encoder.weights",)
"""Keys that may name a file: its content counts, not its path."""


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
        key: _content(value) if key in FILES else value
        for key, value in flat(config)
        if key not in left_out and not key.startswith(groups) and value != absent.get(key, ALWAYS)
    }
    return hashlib.sha256(json.dumps(plain(kept), sort_keys=True).encode()).hexdigest()[:16]


def identity(
    config: Mapping[str, Any], command: str, origins: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, str]:
    """Return the hashes that say what a run is.

    `cell` is everything that its result depends on; `series` all of that but the seed; `study` what runs that may be
    compared share: all but seed, method and recipe, with the settings of every protocol, since some methods skip one.

    Args:
        config: the resolved config.
        command: "train", "pretrain" or "evaluate".
        origins: key of `ORIGINS` -> the identity of the run that it names.
    """
    origins = origins or {}
    method = ("method", "selector", "tracin", *OF_METHODS, "evaluate.protocols", "encoder.weights", *RECIPE)
    free = ("seed", *ORIGINS, "pretrain.keep_every")  # what else is stored
    protocols = dict(settings())["evaluate.protocols"].choices
    unused = [f"evaluate.{name}" for name in protocols if name not in config["evaluate"]["protocols"]]
    without = {"cell": (*ORIGINS, *unused), "series": (*free, *unused), "study": (*free, *method)}
    found = {kind: digest(config, without[kind]) for kind in without}
    for kind in ("cell", "series"):
        found[kind] = "-".join([command, found[kind], *(origins[key][kind] for key in ORIGINS if key in origins)])
    return found


def overridden(config: Mapping[str, Any]) -> list[str]:
    """Return the settings whose value is not what the config's method, data set and scale give, as dotted keys.

    Left out are the seed, settings of the data, ids of runs, and what does not change the result.
    """
    named = (config["method"]["name"], config["data"]["name"], config["scale"])
    given = dict(flat(resolve(name for name in named if name in NAMED)))
    left_out = (*VOLATILE, *ORIGINS, "pretrain.keep_every", "seed", "data.")
    return [key for key, value in flat(config) if not key.startswith(left_out) and value != given.get(key)]


def _content(named: str | None) -> str | None:
    """Return the SHA-256 of the file that a value names; the value itself where there is no such file."""
    file = None if named is None else Path(named).expanduser()
    return named if file is None or not file.is_file() else _sha256(file, file.stat().st_mtime_ns)


@functools.cache
def _sha256(file: Path, changed: int) -> str:
    """Return the SHA-256 of a file as it is since it was changed."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
