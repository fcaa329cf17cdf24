"""timm's networks as backbones: timm leaves out the classifier itself, and resizes what depends on the image size."""

import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from torch import hub, nn

from repro.errors import InputError
from repro.pretrain.backbones.backbone import Backbone
from repro.pretrain.backbones.cache import Wanted

FILE = "model.safetensors"
"""Name of the weights in a repository of the Hugging Face Hub."""


def names() -> list[str]:
    """Return the names of the networks that timm has."""
    return timm.list_models()


def known(arch: str) -> bool:
    """Whether timm has a network of this name; a tag that names weights may follow, as in `resnet18.a1_in1k`."""
    return timm.is_model(arch)


def build(arch: str, patch: int | None, size: int | None, stride: int | None = None) -> Backbone:
    """Return a network with random weights.

    Args:
        arch: a name that timm has.
        patch: height and width of the patches that the first layer cuts; None for the library's.
        size: height and width of the images, for the networks that take one size only; None for the library's.
        stride: pixels from one place of the last map of features to the next, instead of the library's; convolutions
            that had stepped further are dilated.

    Raises:
        InputError: there is no patch size to set.
        TypeError: there is no stride to set.
    """
    settings: dict[str, Any] = {"num_classes": 0}
    if size is not None and timm.get_pretrained_cfg(arch).fixed_input_size:
        settings["img_size"] = size
    if patch is not None:
        settings["patch_size"] = patch
    if stride is not None:
        settings["output_stride"] = stride
    try:
        network = timm.create_model(arch, **settings)
    except TypeError as error:
        if patch is not None and "patch_size" in str(error):
            raise InputError(f"encoder.patch={patch}: {arch} takes no patch size; leave it at None") from None
        raise
    given = network.pretrained_cfg["classifier"]
    removed = (given,) if isinstance(given, str) else tuple(given or ())
    prefix = getattr(network, "num_prefix_tokens", None)
    cut = getattr(network, "patch_embed", None)
    made_for = int(network.pretrained_cfg["input_size"][-1])
    if prefix is None or cut is None:
        return Backbone("timm", network, None, removed, made_for, made_with=settings)
    return Backbone("timm", network, None, removed, made_for, int(cut.patch_size[0]), int(prefix), settings)


def imagenet(arch: str) -> Wanted:
    """Return where a network's own weights are: in the Hub's cache, or where torch's keeps such files.

    Raises:
        InputError: timm has none.
    """
    about = timm.get_pretrained_cfg(arch)
    if about is None or not (about.hf_hub_id or about.url):
        raise InputError(f"timm has no weights for {arch}; `timm.list_pretrained()` lists which it has")
    cache = Path(hub.get_dir()) / "checkpoints"
    published = cache / about.url.rpartition("/")[2] if (about.url or "").endswith((".pth", ".safetensors")) else None
    if published is not None and published.exists():
        return Wanted("timm", about.url, published)
    if not about.hf_hub_id:
        if published is None:
            raise InputError(f"timm publishes the weights of {arch} in another format only; give encoder.weights=FILE")
        return Wanted("timm", about.url, published)
    kept = huggingface_hub.try_to_load_from_cache(about.hf_hub_id, FILE)
    place = Path(kept) if isinstance(kept, str) else cache / f"{about.hf_hub_id.rpartition('/')[2]}.safetensors"
    return Wanted("timm", huggingface_hub.hf_hub_url(about.hf_hub_id, FILE), place)


def converted(state: dict[str, torch.Tensor], network: nn.Module) -> dict[str, torch.Tensor]:
    """Return weights under the keys and in the shapes of a network, as timm itself converts published ones.

    Position embeddings and patches are resized to those of the network.
    """
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    return state if convert is None else convert(state, network)
