"""FixMatch against slow loops over images, and on images that can be told apart."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.data.subsets import label_subset
from repro.errors import InputError
from repro.evaluate.budget import allowed_protocols, extra_steps, steps
from repro.evaluate.fixmatch import consistency_loss, fixmatch
from repro.evaluate.metrics import measure
from repro.evaluate.protocols import evaluate
from repro.evaluate.training import Predictor
from repro.pretrain.encoder import Encoder

CPU = torch.device("cpu")
SETTINGS = {
    **resolve()["evaluate"]["finetune"],
    "steps": 40,
    "batch_size": 8,
    "lr": 0.05,
    "weight_decay": 1e-4,
    "validations": 4,
}


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.95])
def test_the_consistency_equals_a_loop_over_images(threshold: float):
    torch.manual_seed(0)
    weak, strong = 2 * torch.randn(2, 30, 3, dtype=torch.float64)
    total, kept = 0.0, 0
    for w, s in zip(weak.tolist(), strong.tolist(), strict=True):
        chances = [math.exp(x) / sum(map(math.exp, w)) for x in w]
        if max(chances) >= threshold:
            answer, kept = chances.index(max(chances)), kept + 1
            total += math.log(sum(map(math.exp, s))) - s[answer]
    assert 0 < kept < 30 or threshold == 0.5
    assert float(consistency_loss(weak, strong, threshold, False)) == pytest.approx(total / 30, rel=1e-12)


def test_with_several_labels_each_has_an_answer_of_its_own():
    torch.manual_seed(1)
    weak, strong = 3 * torch.randn(2, 20, 4, dtype=torch.float64)
    total = 0.0
    for w, s in zip(weak.flatten().tolist(), strong.flatten().tolist(), strict=True):
        present, guess = (1 / (1 + math.exp(-x)) for x in (w, s))
        if present >= 0.9 or present <= 0.1:
            total -= math.log(guess if present > 0.5 else 1 - guess)
    assert float(consistency_loss(weak, strong, 0.9, True)) == pytest.approx(total / 80, rel=1e-12)


def test_no_gradient_goes_through_the_weak_views():
    weak, strong = torch.randn(2, 6, 3)
    weak.requires_grad_()
    strong.requires_grad_()
    consistency_loss(weak, strong, 0.5, False).backward()
    assert weak.grad is None
    assert strong.grad.abs().sum() > 0


def trained(images: ImageSet, labelled: np.ndarray, seed: int = 0, **changed: float) -> tuple[Predictor, list]:
    seen: list[tuple[str, float, float]] = []
    torch.manual_seed(0)
    config = resolve(["fixmatch"])
    consistency = {**config["fixmatch"], "ratio": 3, "threshold": 0.8, **changed}
    predict = fixmatch(
        Encoder(width=4), images, labelled, SETTINGS, consistency, config["augment"], "balanced", seed, CPU,
        lambda *point: seen.append(point),
    )  # fmt: skip
    return predict, seen


@pytest.mark.parametrize("paths", [1, 3])
def test_it_learns_what_can_be_learnt_from_few_labels(tiny: ImageSet, paths: int):
    predict, seen = trained(tiny, label_subset(tiny, 0.25, 0), paths=paths)
    test = tiny.labels[tiny.indices("test")]
    assert measure(predict("test"), test, tiny.class_names)["balanced_accuracy"] > 0.9
    assert [step for name, _, step in seen if name == "val"] == [10, 20, 30, 40]


def test_one_seed_gives_the_same_bits_and_another_does_not(tiny: ImageSet):
    labelled = label_subset(tiny, 0.25, 0)
    (one, points), (again, same), (other, _) = (trained(tiny, labelled, seed) for seed in (5, 5, 6))
    assert np.array_equal(one("test"), again("test"))
    assert points == same
    assert not np.array_equal(one("test"), other("test"))


def test_no_label_of_an_unlabelled_image_is_read_and_their_pixels_matter(tiny: ImageSet):
    labelled, labels, pixels = label_subset(tiny, 0.25, 0), tiny.labels.copy(), tiny.images.copy()
    unlabelled = np.setdiff1d(tiny.indices("train"), labelled)
    labels[unlabelled] = 1 - labels[unlabelled]
    pixels[unlabelled] = pixels[unlabelled][:, ::-1]
    changed = (tiny, replace(tiny, labels=labels), replace(tiny, images=pixels))
    usual, relabelled, repainted = (trained(images, labelled)[0]("val") for images in changed)
    assert np.array_equal(usual, relabelled)
    assert not np.array_equal(usual, repainted)


def test_without_weight_the_unlabelled_images_teach_nothing_but_statistics(tiny: ImageSet):
    _, plain = trained(tiny, label_subset(tiny, 0.25, 0), weight=0.0)
    _, usual = trained(tiny, label_subset(tiny, 0.25, 0))
    assert plain != usual


def test_it_sees_as_many_images_as_a_pretrained_method():
    for method in ("fixmatch", "fixmatch_paths"):
        config, other = resolve([method, "smoke"]), resolve(["supervised", "smoke"])
        size = config["evaluate"]["finetune"]["batch_size"]
        seen = 8 * size * steps(config, extra_steps(config, 7007), 1.0)
        assert 0 <= size * steps(other, extra_steps(other, 7007), 1.0) - seen < 8 * size


def test_frozen_features_of_a_network_without_pretraining_are_refused():
    with pytest.raises(InputError, match="no pretrained encoder that knn or linear could evaluate"):
        allowed_protocols(resolve(["fixmatch"], {"evaluate.protocols": ["knn", "finetune"]}))


def test_the_method_is_reported_as_fine_tuning(tiny: ImageSet):
    updates = {f"evaluate.finetune.{key}": value for key, value in SETTINGS.items()}
    changes = {**updates, "evaluate.fractions": [0.25], "fixmatch.ratio": 3, "fixmatch.threshold": 0.8}
    torch.manual_seed(0)
    encoder = Encoder(width=4)
    result = evaluate(encoder, tiny, resolve(["fixmatch"], changes), 120, CPU, lambda *_: None)
    expected, _ = trained(tiny, label_subset(tiny, 0.25, 0))
    assert np.array_equal(result.scores["finetune/25"], expected("test").astype(np.float16))
