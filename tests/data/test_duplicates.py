"""Exact and near duplicates: planted ones are found, and the fast ways agree with slow ones."""

import io
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from repro.data.check import duplicates
from repro.data.check.duplicates import close_pairs, fingerprints, low_frequencies, near_duplicates, perceptual_hash
from repro.data.sources import phantom


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    """120 colour images, 64 px, each of another patient."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "SPLIT_SIZES", {"train": 300})
        drawn = phantom.load("phantom", 64, "official")
    return drawn.images[np.unique(drawn.groups, return_index=True)[1][:120]]


def collected(blocks: Iterator[np.ndarray]) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for block in blocks for i, j in block}


def found(images: np.ndarray) -> set[tuple[int, int]]:
    return collected(near_duplicates(fingerprints(images), np.arange(len(images))))


def with_pillow(change: Callable[[Image.Image], Image.Image], images: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


def compressed(quality: int) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(io.BytesIO(file.getvalue()))

    return change


ALTERATIONS = {
    "brighter": lambda x: (x.astype(int) + 15).clip(0, 255).astype(np.uint8),
    "paler": lambda x: (x * 0.8 + 30).astype(np.uint8),
    "noisy": lambda x: (x + np.random.default_rng(1).normal(0, 4, x.shape)).clip(0, 255).astype(np.uint8),
    "compressed": lambda x: with_pillow(compressed(60), x),
    "smaller and back": lambda x: with_pillow(lambda i: i.resize((48, 48), 1).resize((64, 64), 3), x),
    "cropped a little": lambda x: with_pillow(lambda i: i.resize((64, 64), 2, box=(0.5, 0.5, 63.5, 63.5)), x),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_image_altered_a_little_is_found_and_nothing_else(scenes: np.ndarray, alteration: str):
    images = np.concatenate([scenes, ALTERATIONS[alteration](scenes[:40])])
    pairs = found(images)
    planted = {(i, len(scenes) + i) for i in range(40)}
    assert pairs <= planted
    assert len(pairs) >= 0.9 * len(planted)


def test_images_of_different_things_are_no_near_duplicates(scenes: np.ndarray):
    assert found(scenes) == set()
    assert found(np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1), dtype=np.uint8)) == set()


def test_images_with_the_same_pixels_have_the_same_content_and_are_not_near(scenes: np.ndarray):
    images = scenes.copy()
    images[[7, 90, 119]] = images[3]
    prints = fingerprints(images)
    assert np.flatnonzero(prints.content == 3).tolist() == [3, 7, 90, 119]
    others = np.setdiff1d(np.arange(120), [7, 90, 119])
    assert np.array_equal(prints.content[others], others)
    assert found(images) == set()


def test_one_grey_level_in_one_pixel_makes_another_content(scenes: np.ndarray):
    images = scenes[[0, 0]]
    images[1, 5, 5, 0] ^= 1
    assert fingerprints(images).content.tolist() == [0, 1]
    assert found(images) == {(0, 1)}


def test_flat_images_do_not_match_unless_their_pixels_do():
    flat = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 28 * 28).reshape(-1, 28, 28, 1)
    dusty = flat + np.random.default_rng(0).integers(0, 3, flat.shape, dtype=np.uint8)
    images = np.concatenate([flat, dusty, flat[:1]])
    prints = fingerprints(images)
    assert prints.featureless.all()
    assert found(images) == set()
    assert prints.content[-1] == 0


def test_stripes_that_differ_do_not_match_although_most_of_their_frequencies_are_nought():
    waves = np.sin(np.arange(1, 9)[:, None] * np.linspace(0, 6, 28))
    rows = (127 + 100 * waves).astype(np.uint8)
    assert found(np.broadcast_to(rows[:, :, None, None], (8, 28, 28, 1))) == set()


def test_frequencies_an_image_does_not_have_do_not_make_its_hash_a_matter_of_rounding():
    stripes = np.where(np.arange(28) % 14 < 7, 60, 90).astype(np.uint8)[:, None, None]
    brighter = np.stack([np.broadcast_to(stripes + np.uint8(b), (28, 28, 1)) for b in range(0, 160, 8)])
    assert len(np.unique(fingerprints(brighter).hashes)) == 1


def test_chunks_and_memory_maps_do_not_change_a_fingerprint(scenes: np.ndarray, tmp_path: Path, monkeypatch):
    whole = fingerprints(scenes)
    np.save(tmp_path / "images.npy", scenes)
    monkeypatch.setattr(duplicates, "CHUNK_BYTES", 7 * scenes[0].nbytes)
    mapped = fingerprints(np.load(tmp_path / "images.npy", mmap_mode="r"))
    assert np.array_equal(mapped.content, whole.content)
    assert np.array_equal(mapped.hashes, whole.hashes)
    assert np.allclose(mapped.waves, whole.waves, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (28, 28), (96, 28)])
def test_low_frequencies_are_those_of_the_mean_over_areas(shape: tuple[int, int]):
    images = np.random.default_rng(0).integers(0, 256, (5, *shape, 1), dtype=np.uint8)
    fine = images[..., 0].astype(float).repeat(32, axis=1).repeat(32, axis=2)
    reduced = fine.reshape(5, 32, shape[0], 32, shape[1]).mean(axis=(2, 4))
    assert np.allclose(low_frequencies(images), dctn(reduced, axes=(1, 2), norm="ortho")[:, :16, :16], atol=0.01)


def test_colour_is_compared_as_the_grey_that_pillow_makes_of_it(scenes: np.ndarray):
    grey = with_pillow(lambda image: image.convert("L"), scenes)[..., None]
    assert np.abs(low_frequencies(scenes) - low_frequencies(grey)).max() < 32  # one grey level


def test_a_hash_has_a_bit_for_every_frequency_above_the_median(scenes: np.ndarray):
    low = low_frequencies(scenes)
    for image, number in zip(low, perceptual_hash(low), strict=True):
        values = sorted(round(float(v), 1) for v in image[:8, :8].flat)
        median = (values[31] + values[32]) / 2
        assert int(number).bit_count() == sum(v > median for v in values)


@pytest.mark.parametrize("distance", [0, 3, 8])
def test_all_pairs_are_those_of_a_double_loop(distance: int, monkeypatch):
    monkeypatch.setattr(duplicates, "ROWS", 7)
    monkeypatch.setattr(duplicates, "COLUMNS", 13)
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 2**64, 12, dtype=np.uint64)
    flipped = np.packbits(rng.random((100, 64)) < 0.04, axis=1).view(np.uint64)[:, 0]
    hashes = rng.choice(seeds, 100) ^ flipped
    numbers = [int(n) for n in hashes]
    slow = {(i, j) for i, j in combinations(range(100), 2) if (numbers[i] ^ numbers[j]).bit_count() <= distance}
    blocks = list(close_pairs(hashes, distance))
    assert sum(map(len, blocks)) == len(slow) > 0
    assert collected(iter(blocks)) == slow


def test_near_duplicates_are_those_of_a_double_loop_over_reduced_images(scenes: np.ndarray, monkeypatch):
    monkeypatch.setattr(duplicates, "CORRELATION", 0.5)
    prints = fingerprints(scenes)
    among = np.arange(1, 120, 2)
    slow = set()
    for i, j in combinations(among.tolist(), 2):
        a, b = (low_frequencies(scenes[k : k + 1]).ravel()[1:].astype(float) for k in (i, j))
        close = (int(prints.hashes[i]) ^ int(prints.hashes[j])).bit_count() <= 24
        if close and a @ b / np.sqrt((a @ a) * (b @ b)) >= 0.5:
            slow.add((i, j))
    assert len(slow) > 10
    assert collected(near_duplicates(prints, among, 24)) == slow


def test_near_duplicates_on_real_dermamnist_show_the_same_lesion(real_data: Path):
    from tests.conftest import load

    images = load("dermamnist", 28, "official")
    pairs = np.concatenate(list(near_duplicates(fingerprints(images.images), np.arange(len(images.images)))))
    assert images.groups is not None
    assert len(pairs) > 100
    assert (images.groups[pairs[:, 0]] == images.groups[pairs[:, 1]]).mean() > 0.98
