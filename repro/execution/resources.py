"""Resources of a config on this machine: its images, and the folder of its checkpoint. Nothing here imports torch."""

import functools
import json
from pathlib import Path
from typing import Any

from repro.configs.identity import digest
from repro.data import SPLITS, ImageSet, load
from repro.data.folder import prepared_folder
from repro.store import runs_folder


@functools.lru_cache(maxsize=2)
def _images(settings: str, folder: Path) -> ImageSet:
    return load(json.loads(settings), folder)


def images_of(config: dict[str, Any]) -> ImageSet:
    """Return the config's images; read once per process."""
    return _images(json.dumps(config["data"], sort_keys=True), prepared_folder())


def content_of(images: ImageSet) -> str:
    """Return a short hash of the images, their labels and their division, as a run's `info.images` holds it."""
    parts = [images.indices(split) for split in SPLITS]
    if len(images.unlabelled):
        parts.append(images.unlabelled)
    return images.sha256_with(images.labels, *parts)[:8]


def checkpoint_folder(config: dict[str, Any]) -> Path:
    """Return where a run keeps its checkpoint: the same config finds it again."""
    return runs_folder() / "checkpoints" / digest(config)
