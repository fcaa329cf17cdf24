"""The protocols against slow or independent computations, and on images that can be told apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from medmnist.evaluator import getACC
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.data.subsets import label_subset
from repro.evaluate import knn, linear
from repro.evaluate.features import extract, shown
from repro.evaluate.finetune import finetune
from repro.evaluate.labelled import balance
from repro.evaluate.metrics import measure, ties
from repro.evaluate.protocols import evaluate
from repro.evaluate.training import batches, new_classifier
from repro.pretrain.encoder import Encoder, normalized, to_input

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("multi_label", [False, True])
def test_knn_equals_a_loop_over_queries(multi_label: bool):
    features, queries = RNG.normal(size=(50, 6)), RNG.normal(size=(9, 6))
    labels = RNG.integers(0, 2, (50, 3)) if multi_label else RNG.integers(0, 3, 50)
    scores = knn.predict(features, labels, 3, queries, {"k": 7, "temperature": 0.1})
    for q, query in enumerate(queries):
        cosine = [float(query @ f / np.linalg.norm(query) / np.linalg.norm(f)) for f in features]
        nearest = sorted(range(50), key=lambda i: -cosine[i])[:7]
        votes = np.zeros(3)
        for i in nearest:
            votes += np.exp(cosine[i] / 0.1) * (labels[i] if multi_label else np.eye(3)[labels[i]])
        total = sum(np.exp(cosine[i] / 0.1) for i in nearest)
        np.testing.assert_allclose(scores[q], votes / total, rtol=1e-9)


def test_knn_with_fewer_labelled_images_than_neighbours_lets_all_vote():
    scores = knn.predict(np.eye(3), np.array([0, 1, 1]), 2, np.eye(3)[:1], {"k": 20, "temperature": 0.1})
    assert scores[0].argmax() == 0
    assert scores.sum() == pytest.approx(1.0)


def test_linear_probe_is_logistic_regression_on_standardised_features():
    features, labels = RNG.normal(3, 5, (200, 4)), RNG.integers(0, 3, 200)
    features[labels == 1] += 4
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    peer = LogisticRegression(C=0.5, max_iter=500, class_weight="balanced").fit(standard, labels)
    np.testing.assert_allclose(linear.fit(features, labels, 3, 0.5, "balanced")(features), peer.predict_proba(standard))


def test_linear_probe_gives_a_class_without_images_the_score_zero():
    scores = linear.fit(RNG.normal(size=(40, 3)), np.repeat([0, 2], 20), 4, 1.0)(RNG.normal(size=(5, 3)))
    assert scores[:, [1, 3]].max() == 0
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_linear_probe_scores_a_label_that_nobody_has_with_its_rate():
    labels = np.stack([RNG.integers(0, 2, 40), np.zeros(40, int)], axis=1)
    scores = linear.fit(RNG.normal(size=(40, 3)), labels, 2, 1.0)(RNG.normal(size=(5, 3)))
    assert scores[:, 1].tolist() == [0.0] * 5


def test_validation_chooses_the_strength_of_the_linear_probe():
    features, labels = RNG.normal(size=(60, 5)), RNG.integers(0, 2, 60)
    wanted = linear.fit(features, labels, 2, 0.1)(features)
    best = linear.best_probe(
        features,
        labels,
        2,
        lambda probe: -float(np.abs(probe(features) - wanted).max()),
        {"c": [10.0, 0.1, 0.001]},
        "none",
    )
    np.testing.assert_allclose(best(features), wanted)


def test_features_of_an_image_do_not_depend_on_the_others(tiny: ImageSet):
    encoder = Encoder(width=4)
    together = extract(encoder, tiny, CPU, np.arange(len(tiny.images)))
    encoder.eval()
    with torch.no_grad():
        for i in (0, 50, 95):
            alone = encoder(normalized(to_input(torch.from_numpy(tiny.images[i : i + 1]))))[0].numpy()
            np.testing.assert_allclose(together[i], alone, rtol=1e-4, atol=1e-5)


def test_class_weights_are_scikit_learns():
    labels = np.array([0] * 8 + [2] * 2)
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels)
    assert balance(torch.from_numpy(labels), 3).tolist() == pytest.approx([expected[0], 0, expected[1]])


def test_batches_go_through_all_images_before_one_comes_again():
    order = batches(10, 3, 7)
    assert [len(b) for b in order] == [3] * 7
    assert len(set(torch.cat(order[:3]).tolist())) == 9
    assert [len(b) for b in batches(2, 64, 5)] == [2] * 5


SETTINGS = {
    **resolve()["evaluate"]["finetune"],
    "steps": 40,
    "batch_size": 16,
    "lr": 0.05,
    "weight_decay": 1e-4,
    "validations": 4,
}


def tuned(images: ImageSet, encoder: Encoder, labelled: np.ndarray) -> tuple[object, list]:
    seen: list[tuple[str, float, float]] = []
    predict = finetune(encoder, images, labelled, SETTINGS, "balanced", 0, CPU, lambda *point: seen.append(point))
    return predict, seen


def test_fine_tuning_learns_what_can_be_learnt_and_leaves_the_encoder_as_it_was(tiny: ImageSet):
    torch.manual_seed(0)
    encoder = Encoder(width=4)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    predict, seen = tuned(tiny, encoder, tiny.indices("train"))
    test = tiny.labels[tiny.indices("test")]
    assert measure(predict("test"), test, tiny.class_names)["balanced_accuracy"] > 0.9
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())
    assert [step for name, _, step in seen if name == "val"] == [10, 20, 30, 40]


def test_bfloat16_changes_scores_by_its_rounding_and_weights_stay_float32(tiny: ImageSet):
    torch.manual_seed(0)
    encoder = Encoder(width=4)
    exact, half = (new_classifier(encoder, tiny, precision, CPU).eval() for precision in ("float32", "bf16"))
    half.load_state_dict(exact.state_dict())
    pixels = torch.rand(8, 3, 28, 28)
    logits, plain = half(pixels), nn.Sequential(*exact)(pixels)
    assert (logits.dtype, {p.dtype for p in half.parameters()}) == (torch.float32, {torch.float32})
    assert torch.equal(exact(pixels), plain)
    assert 0 < (logits - plain).abs().max() < 0.05 * plain.abs().max()  # bfloat16 has 8 bits
    predict = finetune(
        encoder, tiny, tiny.indices("train"), {**SETTINGS, "precision": "bf16"}, "balanced", 0, CPU, lambda *point: None
    )
    test = tiny.labels[tiny.indices("test")]
    assert measure(predict("test"), test, tiny.class_names)["balanced_accuracy"] > 0.9


def test_the_model_kept_is_the_best_on_validation_not_the_last(tiny: ImageSet):
    # Validation labels are turned round: the better the network learns, the worse it validates.
    turned = replace(tiny, labels=np.where(tiny.split == "val", 1 - tiny.labels, tiny.labels))
    torch.manual_seed(0)
    predict, seen = tuned(turned, Encoder(width=4), turned.indices("train"))
    values = [value for name, value, _ in seen if name == "val"]
    val = turned.labels[turned.indices("val")]
    assert measure(predict("val"), val, tiny.class_names)["balanced_accuracy"] == max(values)
    assert max(values) > values[-1]


def test_a_label_missing_from_validation_does_not_keep_the_untrained_model(tiny: ImageSet):
    labels = np.stack([tiny.labels, 1 - tiny.labels, np.ones(96, int)], axis=1).astype(np.uint8)
    three = replace(tiny, labels=labels, class_names=("down", "up", "all"))
    torch.manual_seed(0)
    predict, seen = tuned(three, Encoder(width=4), three.indices("train"))
    assert all(np.isfinite(value) for name, value, _ in seen if name == "val")
    assert measure(predict("test"), labels[tiny.indices("test")], three.class_names)["auc_up"] > 0.9


def test_fine_tuning_sees_no_label_of_the_images_it_was_not_given(tiny: ImageSet):
    labelled = label_subset(tiny, 0.25, 0)
    labels = tiny.labels.copy()
    hidden = np.setdiff1d(np.concatenate([tiny.indices("train"), tiny.indices("test")]), labelled)
    labels[hidden] = 1 - labels[hidden]
    torch.manual_seed(0)
    encoder = Encoder(width=4)
    one, other = (tuned(images, encoder, labelled)[0]("test") for images in (tiny, replace(tiny, labels=labels)))
    assert np.array_equal(one, other)


def test_evaluation_reports_what_its_stored_scores_give(tiny: ImageSet):
    config = resolve(updates={"evaluate.fractions": [0.5, 1.0], "evaluate.finetune.steps": 4, "evaluate.knn.k": 3})
    torch.manual_seed(0)
    points: dict[tuple[str, float], float] = {}
    result = evaluate(Encoder(width=4), tiny, config, 0, CPU, lambda n, v, s: points.__setitem__((n, s), v))
    for protocol in ("knn", "linear", "finetune"):
        for percent in (50, 100):
            stored = result.scores[f"{protocol}/{percent}"]
            assert stored.dtype == np.float32
            for metric, value in measure(stored, result.scores["labels"], tiny.class_names).items():
                assert points[f"test/{protocol}/{metric}", percent] == pytest.approx(value, abs=0, rel=0, nan_ok=True)
    assert [s["images"] for s in result.label_subsets] == [32, 64]


def test_scores_are_stored_with_the_digits_that_tell_close_ones_apart(tiny: ImageSet):
    """Votes that differ by 1e-5 would be one number in half precision, and a tie."""
    features = np.repeat([[1.0, 0.0]], 96, axis=0)
    features[tiny.indices("train")[0]] = [1.0, 1e-3]
    known = tiny.indices("train")
    labels = np.arange(len(known)) % 2
    votes = knn.predict(features[known], labels, 2, features[:1], {"k": 64, "temperature": 0.07})
    assert ties(votes.astype(np.float16)).tolist() == [True]
    assert ties(votes.astype(np.float32)).tolist() == [False]


def test_a_collapsed_encoder_gives_ties_and_every_evaluation_says_so(tiny: ImageSet, caplog):
    """Equal features, equal votes: no class is predicted, so that nothing is right in balanced accuracy."""
    updates = {"evaluate.fractions": [1.0], "evaluate.protocols": ["knn"], "evaluate.knn.k": 64}
    even, encoder = replace(tiny, labels=np.arange(96) % 2), Encoder(width=4)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    points: dict[str, float] = {}
    for _ in range(2):
        caplog.clear()
        result = evaluate(encoder, even, resolve(updates=updates), 0, CPU, lambda n, v, s: points.__setitem__(n, v))
        assert "knn, 100 % of the labels: 16 of 16 test images are ties" in caplog.text
    assert ties(result.scores["knn/100"]).all()
    assert points["test/knn/balanced_accuracy"] == 0.0
    assert points["test/knn/accuracy"] == getACC(even.labels[80:], result.scores["knn/100"], "binary-class")


def test_every_evaluation_warns_of_a_label_without_positives(tiny: ImageSet, caplog):
    columns = np.stack([tiny.labels, np.zeros(96, int)], axis=1).astype(np.uint8)
    images = replace(tiny, labels=columns, class_names=("down", "never"))
    config = resolve(updates={"evaluate.fractions": [1.0], "evaluate.protocols": ["knn"]})
    for _ in range(2):
        caplog.clear()
        evaluate(Encoder(width=4), images, config, 0, CPU, lambda *_: None)
        assert caplog.text.count("'never' has no positives") == 1


def test_several_labels_per_image_go_through_every_protocol(tiny: ImageSet):
    columns = np.stack([tiny.labels, 1 - tiny.labels, RNG.integers(0, 2, 96)], axis=1).astype(np.uint8)
    both = replace(tiny, labels=columns, class_names=("down", "up", "noise"))
    updates = {"evaluate.fractions": [1.0], "evaluate.finetune.steps": 30, "evaluate.finetune.lr": 0.05}
    config = resolve(updates=updates)
    torch.manual_seed(0)
    points: dict[str, float] = {}
    evaluate(Encoder(width=4), both, config, 0, CPU, lambda n, v, s: points.__setitem__(n, v))
    for protocol in ("knn", "linear", "finetune"):
        assert points[f"test/{protocol}/auc_up"] > 0.85, protocol
        assert np.isfinite(points[f"test/{protocol}/mean_auc"])


def test_features_of_the_same_test_images_are_kept_whatever_the_seed(tiny: ImageSet):
    torch.manual_seed(0)
    encoder = Encoder(width=4)
    kept = []
    for seed in (0, 5):
        config = resolve(updates={"evaluate.fractions": [1.0], "evaluate.protocols": ["knn"], "seed": seed})
        kept.append(evaluate(encoder, tiny, config, 0, CPU, lambda *_: None).features)
    assert kept[0].keys() == {"features", "labels", "indices"}
    assert all(np.array_equal(kept[0][name], kept[1][name]) for name in kept[0])
    assert kept[0]["indices"].tolist() == list(range(80, 96))
    assert kept[0]["labels"].tolist() == tiny.labels[80:].tolist()
    encoder.eval()
    with torch.no_grad():
        slow = torch.cat(
            [encoder(normalized(to_input(torch.from_numpy(tiny.images[i : i + 1])))) for i in range(80, 96)]
        )
    assert kept[0]["features"].dtype == np.float16
    np.testing.assert_allclose(kept[0]["features"], slow.numpy(), rtol=2e-3, atol=1e-4)


def test_at_most_500_test_images_have_their_features_kept_and_all_fit_into_half_precision(tiny: ImageSet):
    many = ImageSet(
        "many",
        np.zeros((700, 8, 8, 1), np.uint8),
        np.arange(700) % 2,
        np.where(np.arange(700) % 10 == 3, "train", "test"),
        ("a", "b"),
    )
    features = RNG.normal(size=(700, 3)).astype(np.float32)
    features[:, 2] = np.where(np.arange(700) % 2, 1e6, -1e6)
    kept = shown(features, many)
    indices = kept["indices"]
    assert len(indices) == len(set(indices.tolist())) == 500
    assert (np.diff(indices) > 0).all()
    assert (many.split[indices] == "test").all()
    assert indices.max() > 600  # not just the first ones
    np.testing.assert_allclose(kept["features"][:, :2], features[indices, :2], rtol=1e-3, atol=1e-4)
    assert kept["features"][:, 2].tolist() == np.where(indices % 2, 65504.0, -65504.0).tolist()


def test_fine_tuning_alone_keeps_no_features(tiny: ImageSet):
    updates = {"evaluate.fractions": [1.0], "evaluate.protocols": ["finetune"], "evaluate.finetune.steps": 4}
    assert evaluate(Encoder(width=4), tiny, resolve(updates=updates), 0, CPU, lambda *_: None).features == {}
