"""Encoders outside a study: from a weights file to a torch module, and the features of any images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from repro.errors import InputError

if TYPE_CHECKING:
    import torch

    from repro.pretrain.encoder import Encoder

SETTINGS = {"arch": str, "stem": str, "width": int, "patch": int, "size": int}
"""What a weights file says of its network, and as what."""

BATCH = 128
"""Images that pass through the network at once."""


def load_encoder(file: str | Path) -> "Encoder":
    """Return the encoder of a file that `python -m repro.db weights RUN FILE` wrote, in eval mode, on the CPU.

    Its metadata say which network it is, so widths and stems that torchvision does not have load as well. Input:
    float `[B, 3, H, W]`, as `prepared` returns it; output: features `[B, D]`.

    Raises:
        InputError: there is no such file, or it does not say which network it is.
    """
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    from repro.pretrain.encoder import Encoder

    try:
        with safe_open(file, "pt") as archive:
            said = archive.metadata() or {}
        state = load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{file} is no file of weights ({error}); write one with `python -m repro.db weights RUN {file}`"
        ) from None
    if "arch" not in said:
        raise InputError(
            f"{file} does not say which network it is of; write it again with `python -m repro.db weights RUN {file}`"
        )
    settings = {name: kind(said[name]) for name, kind in SETTINGS.items() if name in said}
    with torch.random.fork_rng():  # the caller's random numbers are left alone
        encoder = Encoder(**settings)
    encoder.load_state_dict(state)
    return encoder.eval()


def prepared(files: Sequence[str | Path], size: int) -> "torch.Tensor":
    """Return image files as an encoder takes them: float32 `[N, 3, size, size]`.

    Of each image the centre square, scaled as in training (Pillow, bicubic), then (x / 255 - 0.5) / 0.25.

    Args:
        files: images.
        size: height and width in pixels; `encoder.size` is that of the images it was pretrained on.

    Raises:
        InputError: a file is no image, or is not there.
    """
    import torch

    from repro.pretrain.encoder import normalized, to_input

    return normalized(to_input(torch.from_numpy(np.stack([_pixels(file, size) for file in files]))))


def features_of(encoder: "Encoder", files: Sequence[str | Path], size: int | None = None) -> np.ndarray:
    """Return an encoder's features of image files, float32 `[N, D]`, in their order.

    Args:
        encoder: as `load_encoder` or `runs.encoder` returns it.
        files: images; the centre square of each is scaled to `size`, as in training.
        size: height and width in pixels; None: that of the images it was pretrained on.

    Raises:
        InputError: a file is no image, or is not there.
    """
    import torch

    from repro.progress import Progress

    size = size or encoder.size or 224
    found = np.empty((len(files), encoder.features), np.float32)
    with torch.no_grad(), Progress("features", max(1, len(files)), "image") as progress:
        for start in range(0, len(files), BATCH):
            some = files[start : start + BATCH]
            found[start : start + BATCH] = encoder(prepared(some, size)).float().numpy()
            progress.advance(len(some))
    return found


def images_in(folder: Path) -> list[Path]:
    """Return the image files in a folder and below it, by path.

    Raises:
        InputError: there is no such folder, or no image in it.
    """
    from repro.data.layout import IMAGES, images_below

    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name one with images")
    images = sorted(images_below(folder))
    if not images:
        raise InputError(f"{folder}: no image in it or below it ({', '.join(IMAGES)})")
    return images


def _pixels(file: str | Path, size: int) -> np.ndarray:
    """Return an image file as uint8 `[size, size, 3]`."""
    from repro.data.prepare.decode import UndecodableError, decoded

    try:
        content, _ = decoded(Path(file).read_bytes(), size, 3)
    except FileNotFoundError:
        raise InputError(f"{file} is not there; name an image file") from None
    except (OSError, UndecodableError) as error:
        raise InputError(f"{file}: {error}; take it out, or convert it to PNG") from None
    return np.frombuffer(content, np.uint8).reshape(size, size, 3)
