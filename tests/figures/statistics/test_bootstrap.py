"""The bootstrap over test images, held to resampling images one by one, and to scipy's own."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import recall_score, roc_auc_score

from figures.artefacts import semi_supervised
from figures.statistics import bootstrap
from tests.figures.synthetic import Memory, add_study, add_whole_study, evidence_of


def judged(images: int = 150, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    return (np.eye(classes)[labels] + 0.9 * rng.normal(size=(images, classes))).astype(np.float32), labels


def test_interval_of_balanced_accuracy_is_scipys() -> None:
    scores, labels = judged()

    def metric(rows: np.ndarray) -> float:
        return recall_score(labels[rows], scores[rows].argmax(axis=1), average="macro", zero_division=0)

    rows = (np.arange(len(labels)),)
    peer = stats.bootstrap(
        rows, metric, n_resamples=3000, method="percentile", rng=np.random.default_rng(1), vectorized=False
    ).confidence_interval
    found = bootstrap.interval("balanced_accuracy", scores, labels)
    assert found == pytest.approx((peer.low, peer.high), abs=0.01)
    assert found[0] < metric(rows[0]) < found[1]


@pytest.mark.parametrize("many", [False, True])
def test_every_resampled_auc_is_scikit_learns_of_the_repeated_images(many: bool) -> None:
    scores, labels = judged(60, 3)
    scores = scores.round(1)  # so that some are equal
    if many:
        labels = np.random.default_rng(3).integers(0, 2, (60, 3))
    truth = labels if many else labels[:, None] == np.arange(3)
    counts = np.random.default_rng(2).multinomial(60, np.full(60, 1 / 60), size=5)
    for c in range(3):
        found = bootstrap._aucs(scores[:, c], truth[:, c] == 1, counts)
        rows = [np.repeat(np.arange(60), one) for one in counts]
        assert found == pytest.approx([roc_auc_score(truth[one, c], scores[one, c]) for one in rows], rel=1e-12)


def test_a_label_without_positives_is_left_out_and_without_any_there_is_no_interval() -> None:
    scores = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.zeros((40, 3), dtype=int)
    assert np.isnan(bootstrap.interval("mean_auc", scores, labels)).all()
    labels[::2, 1] = 1
    alone = bootstrap.interval("mean_auc", scores[:, [1]], labels[:, [1]])
    assert bootstrap.interval("mean_auc", scores, labels) == pytest.approx(alone)


def test_the_table_tells_how_much_other_test_images_would_change() -> None:
    memory = Memory()
    add_whole_study(memory, ("byol", "byol_tracin"), seeds=2)
    evidence = evidence_of(memory)
    made = semi_supervised.make(evidence)
    assert made is not None
    row = made.data[(made.data["method"] == "byol") & (made.data["protocol"] == "knn") & (made.data["percent"] == 10)]
    widths = []
    for run in evidence.study.reference("byol").runs:
        arrays = evidence.arrays(run, "test_scores")
        low, high = bootstrap.interval("balanced_accuracy", arrays["knn/10"], arrays["labels"])
        widths.append((high - low) / 2)
    assert row["images_half_width"].item() == pytest.approx(np.mean(widths))
    assert "resampling the 2,005 test images gives 95 % intervals of ± " in made.caption


def test_runs_without_test_scores_say_nothing_of_other_images() -> None:
    memory = Memory()
    add_study(memory, ("byol",), seeds=2)
    made = semi_supervised.make(evidence_of(memory))
    assert made is not None
    assert made.data["images_half_width"].isna().all()
    assert "bootstrap" not in made.caption
