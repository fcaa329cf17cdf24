"""Looks at a network in training: they change nothing, read no test image, and tell learning from none."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, recall_score

from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.evaluate import readout
from repro.evaluate.features import extract
from repro.evaluate.probe import RESAMPLED, SEED, Gain, Probe, told
from repro.evaluate.protocols import evaluate
from repro.pretrain.checkpoint import Checkpoint
from repro.pretrain.loop import LEARNED, Pretrained, looks, pretrain
from repro.pretrain.objectives import OBJECTIVES
from repro.pretrain.trainer import Trainer, new_encoder
from tests.pretrain.test_loop import SMALL, same_weights

CPU = torch.device("cpu")


def trained(images: ImageSet, folder: Path, looked: bool = True, **changes: Any) -> tuple[Pretrained, list]:
    config = resolve(["byol_tracin"], {**SMALL, **{k.replace("__", "."): v for k, v in changes.items()}})
    reported: list[tuple[str, float, float]] = []
    look = Probe(images, config, CPU).look if looked else None
    with Checkpoint(folder).owned() as checkpoint:
        result = pretrain(images, config, CPU, checkpoint, lambda *point: reported.append(point), look=look)
    return result, [point for point in reported if point[0].startswith("probe/")]


def with_other_test_images(images: ImageSet) -> ImageSet:
    """The same, but whoever reads a test image or its label gets another one."""
    pixels, labels, test = np.array(images.images), np.array(images.labels), images.indices("test")
    pixels[test], labels[test] = 255 - pixels[test], 0
    return replace(images, images=pixels, labels=labels)


def test_looking_changes_nothing_of_what_is_trained(tiny: ImageSet, tmp_path: Path):
    (one, points), (other, none) = (trained(tiny, tmp_path / str(looked), looked) for looked in (True, False))
    assert same_weights(one.encoder, other.encoder)
    assert one.history.metrics == other.history.metrics
    assert points
    assert not none


def test_no_test_image_is_read_by_a_look_or_where_the_test_split_is_left_alone(tiny: ImageSet, tmp_path: Path):
    both = []
    for number, images in enumerate((tiny, with_other_test_images(tiny))):
        result, points = trained(images, tmp_path / str(number))
        config = resolve(["byol"], {**SMALL, "evaluate.test": False, "evaluate.finetune.steps": 4})
        values: list[tuple[str, float, float]] = []
        found = evaluate(result.encoder, images, config, 0, CPU, lambda *point, to=values: to.append(point))
        gain = Probe(images, config, CPU).gain(new_encoder(config), result.encoder)
        both.append((points, values, found.main, gain))
        assert found.scores == found.features == {}
        assert not [name for name, *_ in values if name.startswith("test/")]
    assert both[0] == both[1]


def test_a_resumed_run_reports_the_looks_of_the_run_that_was_never_interrupted(tiny: ImageSet, tmp_path: Path):
    _, whole = trained(tiny, tmp_path / "whole")
    config = resolve(["byol_tracin"], SMALL)
    look, count = Probe(tiny, config, CPU).look, iter(range(3))

    def stopped(*networks: Any) -> dict[str, float]:
        if next(count) == 2:
            raise KeyboardInterrupt
        return look(*networks)

    with Checkpoint(tmp_path / "part").owned() as checkpoint, pytest.raises(KeyboardInterrupt):
        pretrain(tiny, config, CPU, checkpoint, lambda *_: None, look=stopped)
    _, resumed = trained(tiny, tmp_path / "part")
    assert sorted(resumed) == sorted(whole)
    assert {step for _, _, step in whole} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        ({"epochs": 60, "probe_every": None}, [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60]),
        ({"epochs": 3, "probe_every": None}, [0, 1, 2, 3]),
        ({"epochs": 7, "probe_every": 3}, [0, 3, 6, 7]),
    ],
)
def test_networks_are_looked_at_before_training_now_and_then_and_at_the_end(settings: dict, at: list[int]):
    assert looks(settings) == at


@pytest.mark.parametrize("method", list(OBJECTIVES))
def test_every_objective_can_be_looked_at(tiny: ImageSet, method: str):
    network = {"encoder.arch": "vit_tiny_patch16_224", "encoder.patch": 4} if method == "gmml" else {}
    config = resolve(updates={**SMALL, **network, "method.objective": method, "method.name": "mine"})
    trainer = Trainer(tiny, config, CPU, ())
    found = Probe(tiny, config, CPU).look(trainer.objective, trainer.encoder)
    assert {"probe/linear/balanced_accuracy", "probe/knn/macro_auc", "probe/uniformity"} <= found.keys()
    assert np.isfinite(list(found.values())).all()
    assert trainer.objective.training
    assert trainer.encoder.training


def test_the_linear_readout_is_that_of_features_of_training_images_on_validation(tiny: ImageSet):
    config = resolve(updates=SMALL)
    trainer = Trainer(tiny, config, CPU, ())
    found = Probe(tiny, config, CPU).look(trainer.objective, trainer.encoder)
    features = extract(trainer.encoder, tiny, CPU, np.arange(len(tiny.images)))
    train, val = tiny.indices("train"), tiny.indices("val")
    scores = readout.predict(features[train], tiny.labels[train], len(tiny.class_names), features[val])
    expected = balanced_accuracy_score(tiny.labels[val], scores.argmax(axis=1))
    assert found["probe/linear/balanced_accuracy"] == pytest.approx(expected)


def test_random_weights_gain_nothing_over_themselves_and_the_log_warns_of_it(tiny: ImageSet):
    config = resolve(updates=SMALL)
    gain = Probe(tiny, config, CPU).gain(new_encoder(config), new_encoder(config))
    assert gain.readout == gain.random
    assert not gain.learned
    level, line = told("byol", gain)
    assert level == logging.WARNING
    assert "NOTHING LEARNED" in line


def test_a_gain_is_that_of_scikit_learns_recall_and_its_interval_that_of_resampled_images(tiny: ImageSet):
    config = resolve(updates=SMALL)
    probe, networks = Probe(tiny, config, CPU), [new_encoder({**config, "seed": seed}) for seed in (0, 1)]
    gain = probe.gain(*networks)
    train, val = tiny.indices("train"), tiny.indices("val")
    truth, found = tiny.labels[val], []
    for network in networks:
        features = extract(network, tiny, CPU, np.arange(len(tiny.images)))
        found.append(
            readout.predict(features[train], tiny.labels[train], len(tiny.class_names), features[val]).argmax(axis=1)
        )
    before, after = (recall_score(truth, each, average="macro") for each in found)
    assert (gain.random, gain.readout) == (pytest.approx(before), pytest.approx(after))
    rng, differences = np.random.default_rng(SEED), []
    for _ in range(RESAMPLED):
        drawn = rng.integers(0, len(truth), len(truth))
        present = np.unique(truth[drawn])
        before, after = (
            recall_score(truth[drawn], each[drawn], labels=present, average="macro", zero_division=0) for each in found
        )
        differences.append(after - before)
    assert (gain.low, gain.high) == pytest.approx(tuple(np.percentile(differences, [2.5, 97.5])))


def test_a_gain_is_told_in_percent_with_random_weights_beside_it():
    level, line = told("byol", Gain("balanced_accuracy", 0.489, 0.386, 0.05, 0.15))
    assert level == logging.INFO
    assert line.startswith("byol: linear readout 48.9 % on validation, random weights 38.6 % (balanced accuracy;")
    assert line.endswith("difference +5.0 to +15.0)")


def test_whether_something_was_learned_is_said_only_where_partners_wait_for_it(tiny: ImageSet, tmp_path: Path):
    (one, points), (other, usual) = (
        trained(tiny, tmp_path / start, selector__start=start, selector__warmup_epochs=4)
        for start in ("learned", "epochs")
    )
    said = {step: value for name, value, step in points if name == LEARNED}
    assert [point for point in points if point[0] != LEARNED] == usual
    assert same_weights(one.encoder, other.encoder)
    assert said.keys() == {0, 1, 2, 3, 4}
    assert said[0] == 0  # random weights are not above themselves
    config = resolve(["byol_tracin"], SMALL)
    gain = Probe(tiny, config, CPU).gain(new_encoder(config), one.encoder)
    assert said[4] == float(gain.low > 0)
