"""What a network has learned so far, seen while it trains: on training and validation images; test is never read."""

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from repro.data import ImageSet
from repro.data.subsets import label_subset
from repro.evaluate import geometry, knn, readout
from repro.evaluate.features import extract
from repro.evaluate.metrics import main_metric, measure
from repro.pretrain.augment import TwoViews
from repro.pretrain.encoder import Encoder, encoder_of, to_input
from repro.pretrain.loop import LEARNED
from repro.pretrain.objectives import Objective

SAMPLE, VIEWED, SEED = 2000, 512, 0
"""Training images that are read, of those the images whose views are compared, and which ones: the same in every run
of a data set, stratified by class. [us]"""

RESAMPLED = 200
"""Bootstrap samples of the validation images behind a gain's interval [us]."""


@dataclass(frozen=True)
class Gain:
    """What training has added to random weights.

    Args:
        metric: balanced_accuracy, or for several labels mean_auc, on the validation split.
        readout, random: that of a linear readout of the trained and of the initial weights, in [0, 1].
        low, high: 95 % interval of the difference over resampled validation images.
    """

    metric: str
    readout: float
    random: float
    low: float
    high: float

    @property
    def learned(self) -> bool:
        """Whether the readout is above random weights' by more than which validation images there are."""
        return self.low > 0


def told(method: str, gain: Gain) -> tuple[int, str]:
    """Return the log level and the line that say what a pretraining has learned."""
    metric = gain.metric.replace("_", " ").replace("auc", "AUC")
    line = (
        f"{method}: linear readout {100 * gain.readout:.1f} % on validation, random weights {100 * gain.random:.1f} % "
        f"({metric}; difference {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    )
    if gain.learned:
        return logging.INFO, line
    if gain.readout > gain.random:
        return (
            logging.WARNING,
            f"{line}: no more than other validation images could have given; every table marks this run",
        )
    return logging.WARNING, f"{line}: NOTHING LEARNED that random weights do not give; every table marks this run"


class Probe:
    """Looks at an encoder in training; every look reads the same images.

    Args:
        images: the data set.
        config: the whole config.
        device: where to compute.
    """

    def __init__(self, images: ImageSet, config: dict[str, Any], device: torch.device) -> None:
        train, self._val = images.indices("train"), images.indices("val")
        self._train = label_subset(images, min(1.0, SAMPLE / len(train)), SEED)
        self._viewed = self._train[np.random.default_rng(SEED).permutation(len(self._train))[:VIEWED]]
        self._images, self._config, self._device = images, config, device
        self._views = TwoViews(config["data"]["size"], config["augment"]).to(device)

    def look(self, objective: Objective, encoder: Encoder) -> dict[str, float]:
        """Return what can be said of the networks now; they and the random numbers of training stay as they are.

        Returns:
            probe/linear/METRIC and probe/knn/METRIC on the validation split, the effective ranks probe/rank_features
            and probe/rank_projections, probe/alignment and probe/uniformity of projections, and the encoder's
            probe/weight_norm; for selector.start=learned also probe/learned, as `Gain.learned`.
        """
        images, training = self._images, objective.training
        objective.eval()
        features = self._features(encoder)
        known, labels = features[self._train], images.labels[self._train]
        classes, queries, truth = len(images.class_names), features[self._val], images.labels[self._val]
        linear = self._linear(features)
        found: dict[str, float] = {}
        for name, scores in {
            "linear": linear,
            "knn": knn.predict(known, labels, classes, queries, self._config["evaluate"]["knn"]),
        }.items():
            values = measure(scores, truth, images.class_names)
            kept = ("balanced_accuracy", "macro_auc", "mean_auc")
            found |= {f"probe/{name}/{metric}": values[metric] for metric in kept if metric in values}
        first, second = self._projections(objective)
        found |= {
            "probe/rank_features": geometry.effective_rank(torch.from_numpy(known)),
            "probe/rank_projections": geometry.effective_rank(first),
            "probe/alignment": geometry.alignment(first, second),
            "probe/uniformity": geometry.uniformity(first),
            "probe/weight_norm": float(torch.nn.utils.get_total_norm([*encoder.parameters()])),
        }
        if self._config["selector"]["start"] == "learned":
            found[LEARNED] = float(self._gain(self._untrained, linear).learned)
        objective.train(training)
        return found

    def gain(self, random: Encoder, trained: Encoder) -> Gain:
        """Compare the linear readouts of the initial and the trained weights on the validation split."""
        before, after = (self._linear(self._features(encoder.to(self._device))) for encoder in (random, trained))
        return self._gain(before, after)

    def _gain(self, before: np.ndarray, after: np.ndarray) -> Gain:
        """Compare the scores `[V, C]` that two readouts give the validation images."""
        truth, rng = self._images.labels[self._val], np.random.default_rng(SEED)
        drawn = [rng.integers(0, len(truth), len(truth)) for _ in range(RESAMPLED)]
        differences = [_score(after[s], truth[s]) - _score(before[s], truth[s]) for s in drawn]
        low, high = np.nanpercentile(differences, [2.5, 97.5])
        metric = main_metric(self._images.multi_label)
        return Gain(metric, _score(after, truth), _score(before, truth), float(low), float(high))

    @cached_property
    def _untrained(self) -> np.ndarray:
        """The scores that a readout of the initial weights gives the validation images."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            return self._linear(self._features(encoder_of(self._config).to(self._device)))

    def _linear(self, features: np.ndarray) -> np.ndarray:
        """Return the scores `[V, C]` of a linear readout for the validation images."""
        labels, classes = self._images.labels[self._train], len(self._images.class_names)
        return readout.predict(features[self._train], labels, classes, features[self._val])

    def _features(self, encoder: Encoder) -> np.ndarray:
        return extract(encoder, self._images, self._device, np.concatenate([self._train, self._val]))

    @torch.no_grad()
    def _projections(self, objective: Objective) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the projections of two views of some training images, `[n, P]` each, float32."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(SEED)
            pixels = to_input(torch.from_numpy(self._images.images[self._viewed]).to(self._device))
            first, second = (objective.projections(view).float().cpu() for view in self._views(pixels))
        return first, second


def _score(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the main metric over the classes or labels for which it is defined; NaN where it is for none."""
    if truth.ndim == 1:  # scikit-learn's recall takes a hundred times as long
        right = np.bincount(truth, scores.argmax(axis=1) == truth)
        return float(np.mean([hits / n for hits, n in zip(right, np.bincount(truth), strict=True) if n]))
    defined = [c for c in range(truth.shape[1]) if 0 < truth[:, c].sum() < len(truth)]
    aucs = [float(roc_auc_score(truth[:, c], scores[:, c])) for c in defined]
    return float(np.mean(aucs)) if aucs else float("nan")
