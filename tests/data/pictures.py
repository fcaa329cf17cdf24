"""Small image files, their listing, and what is expected of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from repro.data.listing import Listing
from repro.data.prepare.decode import decoded
from repro.errors import InputError

SIZE = 16


def listing_of(folder: Path, **changes: Any) -> Listing:
    """The images of a folder, in the order of their names; three classes, and groups of two."""
    files = tuple(str(file.relative_to(folder)) for file in sorted(folder.rglob("*.png")))
    n = len(files)
    split = np.array(["train", "val", "test", ""])[np.arange(n) % 4]
    classes = ("mole", "wart", "scar")
    return replace(Listing("made", folder, files, np.arange(n) % 3, split, classes, 3, np.arange(n) // 2), **changes)


def make(folder: Path, count: int, side: int = 20) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side + 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.png", compress_level=1)


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def expected(listing: Listing) -> np.ndarray:
    rows = [
        np.frombuffer(decoded(Path(file).read_bytes(), SIZE, listing.channels)[0], np.uint8) for file in listing.files
    ]
    return np.stack(rows).reshape(-1, SIZE, SIZE, listing.channels)


def damage(source: Path, numbers: list[int]) -> None:
    for number in numbers:
        file = source / f"{number:04d}.png"
        content = Path(file).read_bytes()
        file.write_bytes([b"", b"<html>", content[: len(content) // 2]][number % 3])
