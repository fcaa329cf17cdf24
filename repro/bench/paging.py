"""What does a step cost if its images are read from disk, with as many and as large images as ChestX-ray14's?"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from repro.bench.comparison import MOST, Comparison
from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.data.prepare.chunks import begin_array
from repro.execution.procedure import device_of
from repro.pretrain.checkpoint import Checkpoint
from repro.pretrain.loop import pretrain

REPEATS = 3

IMAGES, SIZE, BATCH, STEPS = 112_120, 224, 64, 3
WRITTEN_AT_ONCE = 1000
FREE_MB = 4000.0
"""Memory of a machine that cannot hold them: 5.6 GB [us]."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield the time of a step beside one with the images in memory, and the memory that is not the system's cache."""
    config = resolve(
        ["byol_tracin", "chestxray14", "medmnist"],
        {"data.size": SIZE, "pretrain.epochs": 1, "pretrain.warmup_epochs": 0, "pretrain.batch_size": BATCH},
    )
    paged, resident, anonymous = [], [], []
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "images.npy"
        images = _simulated(file)
        _seconds(images, config, "device")  # the first one pays for kernels
        for _ in range(repeats):
            _forget(file)
            paged.append(_seconds(images, config, "paged"))
            anonymous.append(_anonymous_mb())
            resident.append(_seconds(images, config, "device"))
    what = f"a step of {BATCH} of {IMAGES:,} images at {SIZE} px, read from disk"
    yield Comparison(what, paged, "images in memory", resident, "s", MOST, 1.2)
    yield Comparison(f"{what}: memory", anonymous, "limit", [FREE_MB] * repeats, "MB", MOST, 1.0)


def _simulated(file: Path) -> ImageSet:
    """Return images of noise, of which some that lie all over the file are for training."""
    rng = np.random.default_rng(0)
    block = rng.integers(0, 256, (WRITTEN_AT_ONCE, SIZE, SIZE, 1), dtype=np.uint8)
    with file.open("wb") as out:
        begin_array(out, (IMAGES, SIZE, SIZE, 1))
        for start in range(0, IMAGES, WRITTEN_AT_ONCE):
            out.write(block[: IMAGES - start].tobytes())
        out.flush()
        os.fsync(out.fileno())
    split = np.full(IMAGES, "", dtype="<U5")
    split[rng.choice(IMAGES, STEPS * BATCH, replace=False)] = "train"
    images = np.load(file, mmap_mode="r")
    return ImageSet("simulated", images, np.arange(IMAGES) % 2, split, ("a", "b"), stored_sha256="none")


def _seconds(images: ImageSet, config: dict, residency: str) -> float:
    """Return the seconds of a step, the mean over an epoch."""
    settings = {**config, "data": {**config["data"], "residency": residency}}
    with tempfile.TemporaryDirectory() as folder:
        result = pretrain(images, settings, device_of(settings), Checkpoint(Path(folder)), lambda *_: None)
    return result.history.seconds / STEPS


def _forget(file: Path) -> None:
    """Take a file out of the system's cache, so that it is read from the disk."""
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _anonymous_mb() -> float:
    """Return the memory of this process in MB, without files that the system can take out at any time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1000 + (torch.cuda.memory_allocated() / 1e6 if torch.cuda.is_available() else 0.0)
