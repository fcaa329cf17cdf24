import functools

import numpy as np
import pytest
import torch
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from repro.data.imageset import ImageSet, sha256_of
from repro.data.sources import phantom, phantom_dermoscopy, phantom_xray
from repro.errors import InputError

CHANCE = 0.25
FEWER = {"train": 300, "val": 50, "test": 100}
both = pytest.mark.parametrize("name", ["phantom", "phantom_xray"])


@functools.cache
def drawn(name: str) -> ImageSet:
    return phantom.load(name, 28, "official")


def linear_score(images: ImageSet, features: np.ndarray, classifier: ClassifierMixin) -> float:
    """Balanced accuracy on the test split of a linear classifier of features `[N, D]`."""
    train, test = images.indices("train"), images.indices("test")
    model = make_pipeline(StandardScaler(), classifier).fit(features[train], images.labels[train])
    return float(balanced_accuracy_score(images.labels[test], model.predict(features[test])))


def patch_responses(images: ImageSet, filters: int = 64, width: int = 6) -> np.ndarray:
    """Responses to patches cut from training images, summed up without their places: float32 `[N, 3 * filters]`."""
    grey = torch.from_numpy(images.images).float().mean(dim=3)
    grey = (grey - grey.mean((1, 2), keepdim=True)) / grey.std((1, 2), keepdim=True)
    rng, bank = np.random.default_rng(0), []
    for index in rng.choice(images.indices("train"), filters):
        row, column = rng.integers(grey.shape[1] - width, size=2)
        bank.append(grey[index, row : row + width, column : column + width])
    patches = torch.stack(bank) - torch.stack(bank).mean((1, 2), keepdim=True)
    patches /= torch.linalg.matrix_norm(patches, keepdim=True)
    response = torch.nn.functional.conv2d(grey[:, None], patches[:, None]).flatten(2)
    return torch.cat([response.amax(2), response.std(2), response.relu().mean(2)], dim=1).numpy()


@both
def test_every_call_gives_the_same_bytes_and_neither_reads_nor_moves_the_global_generators(name, monkeypatch):
    monkeypatch.setattr(phantom, "SPLIT_SIZES", FEWER)
    first = phantom.load(name, 28, "official")
    np.random.seed(5)  # noqa: NPY002 (the legacy global generator is what is tested)
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    again = phantom.load(name, 28, "official")
    assert sha256_of(again.images, again.labels, again.groups) == sha256_of(first.images, first.labels, first.groups)
    assert again.split.tolist() == first.split.tolist()
    assert np.array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(("name", "sha256"), [("phantom", "270bc654f4b52fe7"), ("phantom_xray", "176495cfcb6135af")])
def test_what_generator_2_draws_never_changes(name, sha256):
    assert phantom.GENERATOR == 2
    assert sha256_of(drawn(name).images, drawn(name).labels)[:16] == sha256


@both
def test_patients_have_one_class_one_split_and_at_most_three_images(name):
    images = drawn(name)
    seen: dict[int, tuple[str, int]] = {}
    for patient, split, label in zip(images.groups.tolist(), images.split, images.labels, strict=True):
        assert seen.setdefault(patient, (split, label)) == (split, label)
    assert np.unique(images.groups, return_counts=True)[1].max() == 3


SHARES = {"phantom": phantom_dermoscopy.CLASS_SHARES, "phantom_xray": phantom_xray.CLASS_SHARES}


@both
def test_splits_have_their_sizes_and_every_class_its_share_within_four_standard_errors(name):
    images, shares = drawn(name), np.array(SHARES[name])
    assert images.describe()["images"] == {"train": 3000, "val": 400, "test": 1000}
    assert images.manifest == {"source": "procedural", "generator": phantom.GENERATOR}
    for split in ("train", "val", "test"):
        n = len(images.indices(split))
        error = np.sqrt(shares * (1 - shares) / (n / 2))  # about two images a patient
        assert np.all(np.abs(np.array(images.counts(split)) / n - shares) < 4 * error)


@both
def test_size_is_honoured_and_the_scene_is_the_same_at_every_size(name, monkeypatch):
    monkeypatch.setattr(phantom, "SPLIT_SIZES", FEWER)
    channels = 3 if name == "phantom" else 1
    small, large = (phantom.load(name, size, "official").images for size in (28, 64))
    assert (small.shape, large.shape) == ((450, 28, 28, channels), (450, 64, 64, channels))
    grey, reference = (torch.from_numpy(images).float().mean(dim=3) for images in (small, large))
    pairs = zip(grey, torch.nn.functional.adaptive_avg_pool2d(reference, 28), strict=True)
    assert np.median([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]) > 0.95


@both
def test_exposure_clips_almost_no_pixel(name):
    assert np.isin(drawn(name).images, (0, 255)).mean() < 0.005


@both
def test_class_cannot_be_told_from_colour_brightness_or_contrast(name):
    images = drawn(name)
    flat = images.images.reshape(4400, 28 * 28, -1)
    histogram = np.stack([(flat // 16 == level).mean(axis=1) for level in range(16)], axis=1)
    nuisance = np.concatenate([flat.mean(axis=1), flat.std(axis=1), histogram.reshape(4400, -1)], axis=1)
    logistic = LogisticRegression(C=0.1, class_weight="balanced", max_iter=300)
    assert linear_score(images, nuisance, logistic) < CHANCE + 0.08


@both
def test_class_can_be_told_from_local_structure_and_far_better_than_from_pixels(name):
    images = drawn(name)
    ridge = RidgeClassifier(alpha=10, class_weight="balanced")
    structure = linear_score(images, patch_responses(images), ridge)
    assert structure > 0.5
    assert structure > linear_score(images, images.images.mean(axis=3).reshape(4400, -1), ridge) + 0.15


@pytest.mark.parametrize(
    ("name", "size", "split", "told"),
    [
        ("phantom", 28, "lesion", "data.split=official"),
        ("phantom_xray", 20, "official", "28 to 224"),
        ("fantom", 28, "official", "Did you mean 'phantom'?"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(name, size, split, told):
    with pytest.raises(InputError) as error:
        phantom.load(name, size, split)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
