"""Weights as a safetensors file that says what network they belong to; the same weights give the same bytes."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save

INPUT = "uint8 images as (x / 255 - 0.5) / 0.25, three channels"
"""What the network expects, in words; grey images have their channel three times."""


def weights_file(state: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> bytes:
    """Return the bytes of a safetensors file.

    Args:
        state: the tensors by name.
        about: what the file's metadata say, beside "format"; safetensors holds text alone.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    content = save(tensors, {"format": "pt", **{key: str(value) for key, value in about.items()}})
    # The library writes metadata in an order that changes from process to process.
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    header = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[length:]


def about_encoder(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file of a run's encoder says of it.

    Args:
        config: the run's whole config.

    Returns:
        The settings of the encoder, what it began with aside; channels, normalisation, size (px), method and data.
    """
    settings = {key: value for key, value in config["encoder"].items() if key != "weights" and value is not None}
    taught = {"size": config["data"]["size"], "method": config["method"]["name"], "data": config["data"]["name"]}
    return {**settings, "channels": 3, "normalisation": INPUT, **taught}
