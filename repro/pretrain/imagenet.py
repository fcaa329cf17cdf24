"""torchvision's ImageNet weights as an encoder."""

import hashlib
import logging
import re
import sys
from pathlib import Path
from typing import Any

from torch import hub
from torchvision.models import ResNet18_Weights, ResNet50_Weights

from repro.errors import InputError
from repro.pretrain.encoder import Encoder

log = logging.getLogger("repro.pretrain")

WEIGHTS = {"resnet18": ResNet18_Weights.IMAGENET1K_V1, "resnet50": ResNet50_Weights.IMAGENET1K_V1}
"""By `encoder.arch`; the classic training recipe, not the later one [us]."""


def imagenet_encoder(settings: dict[str, Any]) -> Encoder:
    """Return the encoder with torchvision's weights, from torch's cache or downloaded into it.

    The file is held to the hash in its name, also where it was put by hand, and read as tensors only.

    Args:
        settings: the `encoder` settings.

    Raises:
        InputError: there are no such weights, they cannot be downloaded, or the file is not what it should be.
    """
    if settings["width"] != 64 or settings["stem"] != "imagenet":
        raise InputError(
            f"imagenet has weights for encoder.width=64 encoder.stem=imagenet, not for width {settings['width']} with "
            f"the {settings['stem']} stem"
        )
    url = WEIGHTS[settings["arch"]].url
    name = url.rpartition("/")[2]
    (prefix,) = re.findall(r"-([0-9a-f]{8,})\.", name)
    file = Path(hub.get_dir()) / "checkpoints" / name
    if not file.exists():
        _download(url, file)
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if not digest.startswith(prefix):
        raise InputError(f"{file} is not torchvision's: its SHA-256 begins with {digest[:8]}, not {prefix}; delete it")
    state = hub.load_state_dict_from_url(url, map_location="cpu", weights_only=True)
    encoder = Encoder(**settings)
    encoder.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")})
    return encoder


def _download(url: str, file: Path) -> None:
    log.info("downloading %s", url)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(url, str(file), progress=sys.stderr.isatty())
    except OSError as error:  # URLError is one
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{url} cannot be had ({reason}); download it elsewhere and put it at {file}, or point TORCH_HOME to a "
            "folder of your own"
        ) from None
