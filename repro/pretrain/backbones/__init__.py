"""Networks by name, from torchvision and timm. The libraries are imported when a network of theirs is asked for."""

import functools

from repro.errors import InputError, did_you_mean
from repro.pretrain.backbones.backbone import Backbone
from repro.pretrain.backbones.cache import Wanted

OURS = ("resnet18", "resnet34", "resnet50", "resnet101")
"""The networks that `encoder.width` and `encoder.stem` are for."""


STRIDES = (None, 16, 8)
"""What a network of timm's may step over the image: its own stride, and if images are too small for that less."""


def build(arch: str, stem: str, width: int, patch: int | None, size: int | None) -> Backbone:
    """Return a network with random weights, which takes the images.

    Args:
        arch: a name of torchvision's, or else of timm's; `torchvision/NAME` and `timm/NAME` say whose.
        stem, width: of one of `OURS`; others have their own.
        patch: height and width of the patches that the first layer cuts; None for the library's.
        size: height and width of the images; None for what the library made the network for.

    Raises:
        InputError: an unknown name, or a size or patch that the network cannot have.
    """
    library, name = library_of(arch)
    if library == "torchvision" and patch is not None:
        raise InputError(f"encoder.patch={patch}: the patches of torchvision's {name} cannot be set; leave it at None")
    if library == "torchvision" and name in OURS:
        from repro.pretrain.backbones import resnet

        return resnet.build(name, stem, width)
    from repro.pretrain.backbones.fitting import fitted

    if library == "torchvision":
        from repro.pretrain.backbones import from_torchvision

        return fitted(arch, [lambda: from_torchvision.build(name, size)], size)
    from repro.pretrain.backbones import from_timm

    return fitted(arch, [functools.partial(from_timm.build, name, patch, size, stride) for stride in STRIDES], size)


def imagenet(arch: str) -> Wanted:
    """Return where a network's own published weights are.

    Raises:
        InputError: there are none.
    """
    library, name = library_of(arch)
    if library == "torchvision":
        from repro.pretrain.backbones import from_torchvision

        return from_torchvision.imagenet(name)
    from repro.pretrain.backbones import from_timm

    return from_timm.imagenet(name)


def library_of(arch: str) -> tuple[str, str]:
    """Return ("torchvision" or "timm", the name there).

    Raises:
        InputError: an unknown name.
    """
    asked, _, name = arch.rpartition("/")
    if arch in OURS:
        return "torchvision", arch
    from repro.pretrain.backbones import from_torchvision

    if asked in ("", "torchvision") and name in from_torchvision.names():
        return "torchvision", name
    from repro.pretrain.backbones import from_timm

    if asked in ("", "timm") and from_timm.known(name):
        return "timm", name
    every = [*from_torchvision.names(), *from_timm.names()]
    raise InputError(f"encoder.arch={arch}: neither torchvision nor timm has this network.{did_you_mean(name, every)}")
