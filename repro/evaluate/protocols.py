"""The evaluation of one encoder: every protocol at every label fraction. The test split is read once for each."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from repro.data import ImageSet
from repro.data.imageset import sha256_of
from repro.data.subsets import label_subset
from repro.evaluate import budget, knn, linear
from repro.evaluate.features import extract, shown
from repro.evaluate.finetune import finetune
from repro.evaluate.fixmatch import fixmatch
from repro.evaluate.metrics import main_metric, measure, say_again, selection_score, ties
from repro.evaluate.semixup import semixup
from repro.evaluate.training import Predictor, Report
from repro.pretrain.encoder import Encoder

log = logging.getLogger("repro.evaluate")

TIES = "%s, %g %% of the labels: %d of %d %s images are ties; they count as wrong in balanced accuracy"


@dataclass
class Evaluation:
    """What an evaluation gives.

    Args:
        main: "protocol/percent" -> the main metric on the test split; with evaluate.test=False on the validation split.
        scores: arrays to store: test labels, test indices, and test scores float32 `[N, C]` per protocol and percent;
            empty with evaluate.test=False.
        label_subsets: fraction, number of images and hash of every label subset.
        features: arrays to store: frozen features of some test images (see `shown`); empty if no protocol has any.
        images_per_second: how fast frozen features were computed; None if no protocol has any.
    """

    main: dict[str, float] = field(default_factory=dict)
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    label_subsets: list[dict[str, Any]] = field(default_factory=list)
    features: dict[str, np.ndarray] = field(default_factory=dict)
    images_per_second: float | None = None


def evaluate(
    encoder: Encoder,
    images: ImageSet,
    config: dict[str, Any],
    extra_steps: int,
    device: torch.device,
    report: Report,
) -> Evaluation:
    """Evaluate an encoder as `config["evaluate"]` says.

    Args:
        encoder: the weights to judge.
        images: the data set.
        config: the whole config.
        extra_steps: batches of fine-tuning beyond the settings' (see `budget`).
        device: where to compute.
        report: called with "test/PROTOCOL/METRIC" and "val/PROTOCOL/METRIC", step = label percent, and with
            "finetune/PERCENT/val" and ".../train_loss", step = optimiser step.
    """
    say_again()
    settings = config["evaluate"]
    encoder.to(device)
    frozen = {"knn", "linear"} & set(settings["protocols"])
    splits = ("val", "test") if settings["test"] else ("val",)
    read = np.concatenate([images.indices(split) for split in ("train", *splits)])
    began = time.monotonic()
    features = extract(encoder, images, device, read) if frozen else np.empty((0, 0))
    result = Evaluation(images_per_second=len(read) / (time.monotonic() - began) if frozen else None)
    if settings["test"]:
        test = images.indices("test")
        result.scores = {"labels": images.labels[test], "indices": test}
        if frozen:
            result.features = shown(features, images)
    for fraction in settings["fractions"]:
        labelled = label_subset(images, fraction, config["seed"])
        percent = round(100 * fraction, 6)
        result.label_subsets.append({"fraction": fraction, "images": len(labelled), "sha256": sha256_of(labelled)})
        for protocol in settings["protocols"]:
            if protocol == "finetune":
                curve = _prefixed(report, f"finetune/{percent:g}/")
                predict = _trained_predictor(encoder, images, labelled, fraction, config, extra_steps, device, curve)
            else:
                predict = _frozen_predictor(protocol, features, images, labelled, settings)
            for split in splits:
                # As they are stored: who measures the stored scores again gets the same numbers.
                scores = predict(split).astype(np.float32)
                values = measure(scores, images.labels[images.indices(split)], images.class_names)
                for metric, value in values.items():
                    report(f"{split}/{protocol}/{metric}", value, percent)
            if not images.multi_label and (undecided := int(ties(scores).sum())):
                log.warning(TIES, protocol, percent, undecided, len(scores), splits[-1])
            if settings["test"]:
                result.scores[f"{protocol}/{percent:g}"] = scores
            result.main[f"{protocol}/{percent:g}"] = values[main_metric(images.multi_label)]
    return result


def _trained_predictor(
    encoder: Encoder,
    images: ImageSet,
    labelled: np.ndarray,
    fraction: float,
    config: dict[str, Any],
    extra_steps: int,
    device: torch.device,
    report: Report,
) -> Predictor:
    """Train the whole network: fine-tuning, or Semixup or FixMatch, which take its place in the tables."""
    settings = {**config["evaluate"]["finetune"], "steps": budget.steps(config, extra_steps, fraction)}
    rest = config["evaluate"]["class_weights"], config["seed"], device, report
    match config["method"]["objective"]:
        case "semixup":
            return semixup(encoder, images, labelled, settings, config["semixup"], *rest)
        case "fixmatch":
            return fixmatch(encoder, images, labelled, settings, config["fixmatch"], config["augment"], *rest)
    return finetune(encoder, images, labelled, settings, *rest)


def _frozen_predictor(
    protocol: str, features: np.ndarray, images: ImageSet, labelled: np.ndarray, settings: dict[str, Any]
) -> Predictor:
    classes = len(images.class_names)
    known, labels = features[labelled], images.labels[labelled]
    if protocol == "knn":
        return lambda split: knn.predict(known, labels, classes, features[images.indices(split)], settings["knn"])
    val = images.indices("val")

    def score(probe: Callable[[np.ndarray], np.ndarray]) -> float:
        values = measure(probe(features[val]), images.labels[val], images.class_names)
        return selection_score(values, images.multi_label)

    probe = linear.best_probe(known, labels, classes, score, settings["linear"], settings["class_weights"])
    return lambda split: probe(features[images.indices(split)])


def _prefixed(report: Report, prefix: str) -> Report:
    return lambda name, value, step: report(prefix + name, value, step)
