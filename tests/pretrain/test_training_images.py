"""Images on the device or read from disk: the same batches, the same training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from repro.data import ImageSet
from repro.pretrain.training_images import Pixels
from tests.pretrain.test_loop import same_weights, train

CPU = torch.device("cpu")


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    """30 images of one grey value each, on disk."""
    np.save(tmp_path / "images.npy", np.arange(30, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize("residency", ["device", "paged", "auto"])
def test_batches_are_the_images_asked_for_in_that_order(mapped: np.ndarray, residency: str):
    members = np.array([29, 3, 5, 7, 11, 13, 17])
    pixels = Pixels(mapped, members, CPU, residency)
    order = torch.tensor([6, 0, 0, 2, 5, 1, 4])
    found = list(pixels.batches(order, 3))
    assert [index.tolist() for index, _ in found] == [[6, 0, 0], [2, 5, 1]]
    for index, images in found:
        assert images.shape == (3, 3, 4, 4)
        grey = (images * 255).round().flatten(1)
        assert (grey == torch.from_numpy(members[index.numpy()])[:, None]).all()
    assert not list(pixels.batches(order[:2], 3))


def test_memory_mapped_images_stay_on_disk_and_others_in_memory(mapped: np.ndarray):
    assert not Pixels(mapped, np.arange(30), CPU).resident
    assert Pixels(np.array(mapped), np.arange(30), CPU).resident
    assert Pixels(mapped, np.arange(30), CPU, "device").resident


def test_training_from_disk_gives_the_same_bits(tiny: ImageSet, tmp_path: Path):
    np.save(tmp_path / "images.npy", tiny.images)
    on_disk = replace(tiny, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    from_memory, _ = train(tiny, tmp_path / "a", pretrain__epochs=2)
    from_disk, _ = train(on_disk, tmp_path / "b", pretrain__epochs=2)
    paged, _ = train(tiny, tmp_path / "c", pretrain__epochs=2, data__residency="paged")
    assert same_weights(from_memory.encoder, from_disk.encoder)
    assert same_weights(from_memory.encoder, paged.encoder)


def test_reading_stops_with_the_training(mapped: np.ndarray):
    batches = Pixels(mapped, np.arange(30), CPU).batches(torch.arange(30), 5)
    next(batches)
    batches.close()  # as an error in the loop does: no thread may be left that keeps the program alive
    assert not [
        t for t in __import__("threading").enumerate() if t.name.startswith("ThreadPoolExecutor") and t.is_alive()
    ]
