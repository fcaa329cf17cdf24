"""Selectors of the additional positive: each scores every pair of a batch; the best other image is chosen.

A selector is a file here with a function `scores(batch) -> [B, B]`; its name is the file's. One that chooses among
other images than the batch's also has `candidates(batch) -> Candidates`, and its scores are `[B, N]`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from repro.errors import InputError, did_you_mean
from repro.pretrain.by_file import ByFile
from repro.pretrain.byol import Partners
from repro.pretrain.selectors.batch import Batch, Candidates, Members


@dataclass(frozen=True)
class Selector:
    """A way to choose partners.

    Args:
        scores: the higher, the better a partner, `[B, N]`.
        candidates: the N images that are scored.
        in_batch: whether these are the batch's own.
    """

    scores: Callable[[Batch], torch.Tensor]
    candidates: Callable[[Batch], Candidates]
    in_batch: bool


def _read(module: ModuleType) -> Selector:
    if not hasattr(module, "scores"):
        raise InputError(f"{module.__file__} has no function 'scores'; docs/extend.md shows a selector")
    return Selector(
        module.scores,
        getattr(module, "candidates", lambda batch: batch.own),
        not hasattr(module, "candidates"),
    )


SELECTORS: Mapping[str, Selector] = ByFile(__name__, __path__, ("batch",), _read)
"""Every selector, by the name of its file."""

TRACIN = ("tracin_cosine", "tracin_dot")
"""The selectors that selector.name=tracin stands for, as `tracin.normalize` says."""

BANK = "tracin_bank"
"""The selector that needs gradients of the last layer."""


def used_selector(config: dict[str, Any]) -> str | None:
    """Return which selector trains, a key of `SELECTORS`; None for plain BYOL.

    Raises:
        InputError: there is no such selector, or it cannot do what the config asks of it.
    """
    settings, tracin = config["selector"], config["tracin"]
    for measured in settings["measured"]:
        if measured not in SELECTORS:
            raise InputError(f"selector.measured: {_unknown(measured, SELECTORS)}")
    name = settings["name"]
    if settings["error"] and name != "oracle":
        raise InputError(
            f"selector.error={settings['error']:g} is for selector.name=oracle, which knows the labels, not for {name};"
            " leave it out"
        )
    if BANK in (name, *settings["measured"]) and (tracin["layers"], tracin["source"]) != ("last", "online"):
        raise InputError(
            f"{BANK} keeps gradients of the last layer at the weights in training, not those of "
            f"tracin.layers={tracin['layers']} tracin.source={tracin['source']}; set tracin.layers=last "
            "tracin.source=online"
        )
    if name == "none":
        return None
    if name == "tracin":
        name = f"tracin_{tracin['normalize']}"
    if name not in SELECTORS:
        known = ["none", "tracin", *(known for known in SELECTORS if known not in TRACIN)]
        raise InputError(f"selector.name: {_unknown(name, known)}")
    for key in ("symmetric", "mutual"):
        if settings[key] and not SELECTORS[name].in_batch:
            raise InputError(f"selector.{key}=True needs partners that are in the batch, which those of {name} are not")
    return name


def banked(config: dict[str, Any]) -> set[str]:
    """Return the selectors, trained by or measured, that choose from a memory bank."""
    asked = {used_selector(config), *config["selector"]["measured"]}
    return {name for name in asked if name is not None and not SELECTORS[name].in_batch}


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"no selector '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}"


def candidates_of(name: str, batch: Batch) -> Candidates:
    """Return the images that a selector chooses from.

    Args:
        name: a key of `SELECTORS`.
        batch: the batch.

    Raises:
        InputError: it gives projections of more or fewer images than members.
    """
    found = SELECTORS[name].candidates(batch)
    if found.t.shape[1] != len(found.members.position):
        raise InputError(
            f"the selector {name}: its candidates have projections of {found.t.shape[1]} images, but "
            f"{len(found.members.position)} members; correct repro/pretrain/selectors/{name}.py"
        )
    return found


def scored(name: str, batch: Batch, shape: torch.Size) -> torch.Tensor:
    """Return the scores of a selector, float `[B, N]`.

    Args:
        name: a key of `SELECTORS`.
        batch: the batch.
        shape: `[B, N]`.

    Raises:
        InputError: it returns anything else.
    """
    found = SELECTORS[name].scores(batch)
    if isinstance(found, torch.Tensor) and found.is_floating_point() and found.shape == shape:
        return found
    what = f"{found.dtype} {[*found.shape]}" if isinstance(found, torch.Tensor) else type(found).__name__
    raise InputError(
        f"the selector {name}: its scores are {what}, not a tensor of floats {[*shape]}; correct "
        f"repro/pretrain/selectors/{name}.py"
    )


def choose(scores: torch.Tensor, allowed: torch.Tensor, candidates: Candidates, k: int = 1) -> Partners:
    """Return each image's partners, the k allowed images with the highest scores; of equal ones the first.

    Args:
        scores: `[B, N]`.
        allowed: bool `[B, N]`, False where j may not be i's partner, as no image may be its own.
        candidates: the N images.
        k: how many; fewer where fewer are allowed.
    """
    masked = scores.masked_fill(~allowed, -torch.inf)
    if k == 1:
        best = masked.argmax(dim=1, keepdim=True)
    else:
        best = masked.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return Partners(candidates.t, best, allowed.gather(1, best))


__all__ = [
    "BANK",
    "SELECTORS",
    "TRACIN",
    "Batch",
    "Candidates",
    "Members",
    "Selector",
    "banked",
    "candidates_of",
    "choose",
    "scored",
    "used_selector",
]
