"""The hashes that name a config: which runs are the same, and which may be averaged or compared."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from repro.configs.resolve import flat, plain

VOLATILE = ("scale", "device", "data.residency", "pretrain.checkpoint_every")
"""Keys that do not change what a run computes; they are left out of its hash."""


def digest(config: Mapping[str, Any], without: Iterable[str] = ()) -> str:
    """Return the SHA-256 (first 16 hex digits) of a config's canonical JSON.

    Args:
        config: nested plain config.
        without: dotted keys, or groups, left out beside the volatile ones.
    """
    left_out = (*VOLATILE, *without)
    kept = {k: v for k, v in flat(config) if not any(k == o or k.startswith(o + ".") for o in left_out)}
    return hashlib.sha256(json.dumps(plain(kept), sort_keys=True).encode()).hexdigest()[:16]


def identity(config: dict[str, Any], command: str) -> dict[str, str]:
    """Return the hashes that say what a run is: `cell` (everything), `series` (all but the seed), `study` (what
    runs that may be compared share: all but seed and method)."""  # fmt: skip
    method = ("method", "selector", "tracin", "contrastive", "semixup", "evaluate.protocols")
    free = ("seed", "evaluate.pretraining", "tracin.pretraining", "pretrain.keep_every")  # run ids; what else is stored
    return {
        "cell": f"{command}-{digest(config)}",
        "series": f"{command}-{digest(config, without=free)}",
        "study": digest(config, without=(*free, *method)),
    }
