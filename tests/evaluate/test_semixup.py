"""Semixup against slow loops over images, and on images that can be told apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from repro.configs.methods import METHODS
from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.data.subsets import label_subset
from repro.errors import InputError
from repro.evaluate.budget import extra_steps, steps
from repro.evaluate.labelled import Labelled
from repro.evaluate.metrics import measure
from repro.evaluate.protocols import evaluate
from repro.evaluate.semixup import away_from_the_middle, consistency_loss, mixup_loss, semixup
from repro.evaluate.training import Predictor
from repro.pretrain.encoder import Encoder

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
SETTINGS = {
    **resolve()["evaluate"]["finetune"],
    "steps": 40,
    "batch_size": 16,
    "lr": 0.05,
    "weight_decay": 1e-4,
    "validations": 4,
}
TERMS = ("in_manifold", "interpolation", "out_of_manifold")
PARTNER, RATIO = [2, 0, 1, 4, 3], 0.7


class Squares(nn.Module):
    """Logits `[B, 3]` linear in squared pixels: a mixture's logits are not the mixed logits."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.from_numpy(RNG.normal(size=(3, 12))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).square() @ self.matrix.T


def views_of_five_images() -> tuple[np.ndarray, np.ndarray]:
    images = RNG.normal(size=(5, 3, 2, 2))
    return images, images + RNG.normal(size=images.shape) / 3


def probability(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    return 1 / (1 + np.exp(-logits)) if multi_label else np.exp(logits) / np.exp(logits).sum()


def consistency_by_image(
    matrix: np.ndarray, views: np.ndarray, others: np.ndarray, multi_label: bool, weights: dict[str, float]
) -> float:
    def difference(a: np.ndarray, b: np.ndarray) -> float:
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)

    total = 0.0
    for i, j in enumerate(PARTNER):
        own, partners, others_own, mixtures = (
            matrix @ x.ravel() ** 2 for x in (views[i], views[j], others[i], RATIO * views[i] + (1 - RATIO) * views[j])
        )
        image, other, mixture = (probability(x, multi_label) for x in (own, others_own, mixtures))
        between = probability(RATIO * own + (1 - RATIO) * partners, multi_label)
        total += weights["in_manifold"] * difference(other, image)
        total += weights["interpolation"] * difference(mixture, between)
        total += weights["out_of_manifold"] * (difference(image, mixture) + difference(other, mixture))
    return total / len(PARTNER)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_consistencies_equal_a_loop_over_images(multi_label: bool):
    model, (views, others) = Squares(), views_of_five_images()
    matrix = model.matrix.detach().numpy()
    for weights in ([1, 0, 0], [0, 1, 0], [0, 0, 1], [2.0, 3.0, 5.0]):
        settings = dict(zip(TERMS, weights, strict=True))
        tensors = torch.from_numpy(views), torch.from_numpy(others), torch.tensor(PARTNER)
        loss = consistency_loss(model, *tensors, RATIO, multi_label, settings)
        slow = consistency_by_image(matrix, views, others, multi_label, settings)
        assert slow > 1e-3
        assert loss.item() == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("term", TERMS)
def test_the_gradient_of_every_consistency_reaches_both_its_sides(term: str, multi_label: bool):
    # A detached side would make the gradient differ from that of the slow loop, which detaches nothing.
    model, (views, others) = Squares(), views_of_five_images()
    settings = {name: float(name == term) for name in TERMS}
    tensors = torch.from_numpy(views), torch.from_numpy(others), torch.tensor(PARTNER)
    consistency_loss(model, *tensors, RATIO, multi_label, settings).backward()
    matrix, step, slope = model.matrix.detach().numpy(), 1e-6, np.zeros((3, 12))
    for place in np.ndindex(3, 12):
        nudge = np.zeros((3, 12))
        nudge[place] = step
        up, down = (
            consistency_by_image(matrix + sign * nudge, views, others, multi_label, settings) for sign in (1, -1)
        )
        slope[place] = (up - down) / (2 * step)
    np.testing.assert_allclose(model.matrix.grad.numpy(), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_labelled_loss_equals_a_loop_over_images(multi_label: bool, tiny: ImageSet):
    views, _ = views_of_five_images()
    labels = RNG.integers(0, 2, (5, 3)) if multi_label else np.array([0, 1, 2, 0, 0])
    columns = np.zeros((96, 3), int) if multi_label else np.zeros(96, int)
    columns[:5] = labels
    three = replace(tiny, labels=columns, class_names=("a", "b", "c"))
    known = Labelled(three, np.arange(5), SETTINGS, "balanced", CPU)
    known_weight = [1.0] * 3 if multi_label else [5 / (3 * n) for n in (3, 1, 1)]
    model = Squares().float()
    matrix = model.matrix.detach().numpy().astype(float)
    total = weight = 0.0
    for i, j in enumerate(PARTNER):
        logits = matrix @ (RATIO * views[i] + (1 - RATIO) * views[j]).ravel() ** 2
        chances = probability(logits, multi_label)
        for share, label in ((RATIO, labels[i]), (1 - RATIO, labels[j])):
            if multi_label:
                total += share * -np.mean(np.log(np.where(label == 1, chances, 1 - chances)))
                weight += share
            else:
                total += share * known_weight[label] * -np.log(chances[label])
                weight += share * known_weight[label]
    tensors = torch.from_numpy(views).float(), torch.from_numpy(labels), torch.tensor(PARTNER)
    assert mixup_loss(model, *tensors, RATIO, known.loss).item() == pytest.approx(total / weight, rel=1e-5)


def test_an_unlabelled_image_keeps_the_larger_share_of_its_mixture():
    shares = [away_from_the_middle(ratio, 0.55) for ratio in (0.0, 0.2, 0.48, 0.5, 0.53, 0.6, 1.0)]
    assert shares == [1.0, 0.8, 0.55, 0.55, 0.55, 0.6, 1.0]


def trained(images: ImageSet, labelled: np.ndarray, seed: int = 0, **changed: float) -> tuple[Predictor, list]:
    seen: list[tuple[str, float, float]] = []
    torch.manual_seed(0)
    predict = semixup(
        Encoder(width=4), images, labelled, {**SETTINGS, **changed}, resolve()["semixup"], "balanced", seed, CPU,
        lambda *point: seen.append(point),
    )  # fmt: skip
    return predict, seen


def test_semixup_learns_what_can_be_learnt_from_few_labels(tiny: ImageSet):
    predict, seen = trained(tiny, label_subset(tiny, 0.25, 0))
    test = tiny.labels[tiny.indices("test")]
    assert measure(predict("test"), test, tiny.class_names)["balanced_accuracy"] > 0.9
    assert [step for name, _, step in seen if name == "val"] == [10, 20, 30, 40]


def test_semixup_learns_several_labels_per_image(tiny: ImageSet):
    columns = np.stack([tiny.labels, 1 - tiny.labels, RNG.integers(0, 2, 96)], axis=1).astype(np.uint8)
    both = replace(tiny, labels=columns, class_names=("down", "up", "noise"))
    predict, _ = trained(both, both.indices("train"))
    assert measure(predict("test"), columns[both.indices("test")], both.class_names)["auc_up"] > 0.85


@pytest.mark.slow
def test_one_seed_gives_the_same_bits_and_another_does_not(tiny: ImageSet):
    labelled = label_subset(tiny, 0.25, 0)
    (one, points), (again, same), (other, _) = (trained(tiny, labelled, seed) for seed in (5, 5, 6))
    assert np.array_equal(one("test"), again("test"))
    assert points == same
    assert not np.array_equal(one("test"), other("test"))


@pytest.mark.slow
def test_no_label_of_an_unlabelled_image_is_read(tiny: ImageSet):
    labelled, labels = label_subset(tiny, 0.25, 0), tiny.labels.copy()
    unlabelled = np.setdiff1d(tiny.indices("train"), labelled)
    labels[unlabelled] = 1 - labels[unlabelled]
    (one, points), (other, same) = (trained(images, labelled) for images in (tiny, replace(tiny, labels=labels)))
    assert points == same
    for split in ("train", "val", "test"):
        assert np.array_equal(one(split), other(split))


@pytest.mark.slow
def test_the_unlabelled_images_matter(tiny: ImageSet):
    labelled, images = label_subset(tiny, 0.25, 0), tiny.images.copy()
    unlabelled = np.setdiff1d(tiny.indices("train"), labelled)
    images[unlabelled] = images[unlabelled][:, ::-1]
    one, other = (trained(each, labelled)[0]("test") for each in (tiny, replace(tiny, images=images)))
    assert not np.array_equal(one, other)


def test_a_loss_that_is_no_longer_finite_is_said_in_one_line(tiny: ImageSet):
    with pytest.raises(InputError, match=r"the loss is (nan|inf) .*: take a lower evaluate\.finetune\.lr") as error:
        trained(tiny, tiny.indices("train"), lr=1e30)
    assert "\n" not in str(error.value)


def test_every_method_without_pretraining_sees_as_many_images_as_one_with_it():
    def images_seen(name: str) -> int:
        config = resolve([name, "smoke"])
        finetuning, pretraining = config["evaluate"]["finetune"], config["pretrain"]
        count = steps(config, extra_steps(config, 7007), 1.0) * finetuning["batch_size"] * (1 + (name == "semixup"))
        passes = pretraining["epochs"] if name.startswith("byol") else 0
        return count + passes * (7007 // pretraining["batch_size"]) * pretraining["batch_size"]

    pretrained = images_seen("byol_tracin")
    assert images_seen("supervised") == images_seen("semixup") == pretrained
    assert images_seen("random_init") < pretrained


def test_semixup_makes_at_least_one_step():
    assert steps(resolve(["semixup"], {"evaluate.finetune.steps": 1}), 0, 1.0) == 1


def test_the_method_is_reported_as_fine_tuning(tiny: ImageSet):
    assert METHODS["semixup"].values["evaluate"] == METHODS["supervised"].values["evaluate"]
    updates = {f"evaluate.finetune.{key}": value for key, value in SETTINGS.items()}
    config = resolve(["semixup"], {**updates, "evaluate.finetune.steps": 8, "evaluate.fractions": [0.25]})
    torch.manual_seed(0)
    encoder, points = Encoder(width=4), []
    result = evaluate(encoder, tiny, config, 12, CPU, lambda *point: points.append(point))
    expected, _ = trained(tiny, label_subset(tiny, 0.25, 0), steps=10)
    assert np.array_equal(result.scores["finetune/25"], expected("test"))
    assert result.main.keys() == {"finetune/25"}
    assert [step for name, _, step in points if name == "finetune/25/val"][-1] == 10
