"""How long a classifier trains: a method sees as many training images as any other, pretraining included.

A pretrained method sees `pretrain.epochs` passes, then `evaluate.finetune.steps` batches. One that learns from labels
from the start gets its pretraining's images as further batches (`extra_steps`), and one that takes several batches
in a step makes fewer steps (`steps`). Views and mixtures of an image do not count again. Batches are counted whole: a
label fraction that does not fill one makes them smaller, for every method alike. [us]
"""

from typing import Any

from repro.errors import InputError

FROM_THE_START = ("supervised", "semixup", "fixmatch")
"""Objectives that train on labels in place of pretraining."""


def batches_per_step(config: dict[str, Any]) -> int:
    """Return how many batches a step sees: beside a labelled one, Semixup one unlabelled and FixMatch several."""
    unlabelled = {"semixup": 1, "fixmatch": config["fixmatch"]["ratio"]}
    return 1 + unlabelled.get(config["method"]["objective"], 0)


def extra_steps(config: dict[str, Any], training_images: int) -> int:
    """Return how many batches of fine-tuning see the images that a method does not spend on pretraining.

    Args:
        config: the whole config.
        training_images: size of the training split.
    """
    if config["method"]["objective"] not in FROM_THE_START:
        return 0
    pretraining, size = config["pretrain"], config["evaluate"]["finetune"]["batch_size"]
    seen_per_epoch = training_images // pretraining["batch_size"] * pretraining["batch_size"]
    return pretraining["epochs"] * seen_per_epoch // size


def steps(config: dict[str, Any], extra: int, fraction: float) -> int:
    """Return the optimiser steps, at least 1, that see `evaluate.finetune.steps` + `extra` batches.

    Args:
        config: the whole config.
        extra: from `extra_steps`.
        fraction: one of `evaluate.fractions`, since each can have steps of its own.
    """
    own = config["evaluate"]["finetune"]["steps"]
    if isinstance(own, list):
        own = own[config["evaluate"]["fractions"].index(fraction)]
    return max(1, (own + extra) // batches_per_step(config))


def check_steps(config: dict[str, Any]) -> None:
    """Raise InputError if steps are given one by one, but not for every label fraction."""
    own, fractions = config["evaluate"]["finetune"]["steps"], config["evaluate"]["fractions"]
    if isinstance(own, list) and len(own) != len(fractions):
        raise InputError(
            f"evaluate.finetune.steps={own} has {len(own)} numbers and evaluate.fractions={fractions} has "
            f"{len(fractions)}; give one number for all, or one for each"
        )


def allowed_protocols(config: dict[str, Any]) -> None:
    """Raise InputError for protocols that would judge a method's random weights under its name."""
    objective, protocols = config["method"]["objective"], config["evaluate"]["protocols"]
    if objective in FROM_THE_START and set(protocols) != {"finetune"}:
        raise InputError(
            f"evaluate.protocols={protocols}: {config['method']['name']} has no pretrained encoder that knn or "
            "linear could evaluate; leave evaluate.protocols out"
        )
