"""torchvision's classifiers as backbones: the last Linear layer is taken away, and no features are dropped out."""

from pathlib import Path

import torchvision.models as zoo
from torch import hub, nn

from repro.errors import InputError
from repro.pretrain.backbones.backbone import Backbone
from repro.pretrain.backbones.cache import Wanted

AUXILIARY_OF, AUXILIARY = ("googlenet", "inception_v3"), ("aux1", "aux2", "AuxLogits")
"""Networks with more classifiers than one, and what those are called."""


def names() -> list[str]:
    """Return the names of the classifiers that torchvision has."""
    return zoo.list_models(module=zoo)


def build(arch: str, size: int | None) -> Backbone:
    """Return a network with random weights.

    Args:
        arch: one of `names`.
        size: height and width of the images, for the networks that take one size only; None for the library's.

    Raises:
        InputError: the network does not end in a Linear layer.
    """
    fixed = {"image_size": size} if arch.startswith("vit_") and size is not None else {}
    given = {"aux_logits": False, "init_weights": True} if arch in AUXILIARY_OF else fixed
    network = zoo.get_model(arch, weights=None, **given)
    *_, (name, last) = ((name, module) for name, module in network.named_modules() if _is_end(module))
    if not isinstance(last, nn.Linear):
        raise InputError(
            f"encoder.arch={arch} does not end in a Linear layer, so its features are unknown; take another"
        )
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return Backbone("torchvision", network, None, (name, *(AUXILIARY if arch in AUXILIARY_OF else ())))


def imagenet(arch: str) -> Wanted:
    """Return where ImageNet weights are: those of the classic training recipe, where torchvision has several [us]."""
    kinds = zoo.get_model_weights(arch)
    weights = kinds["IMAGENET1K_V1"] if "IMAGENET1K_V1" in kinds.__members__ else next(iter(kinds))
    url = str(weights.url)
    return Wanted("torchvision", url, Path(hub.get_dir()) / "checkpoints" / url.rpartition("/")[2])


def _is_end(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.Conv2d)
