"""The encoder f: a network of torchvision's or timm's without its classifier."""

from typing import Any

import torch
from torch import nn

from repro.errors import InputError
from repro.pretrain import backbones


class Encoder(nn.Module):
    """A network up to its pooled features; keys of its state are the library's own.

    Args:
        arch: a name of torchvision's or timm's.
        stem: of a ResNet of torchvision's: "imagenet" (7x7 stride 2, max-pooling), or for images under 64 px 3x3
            without max-pooling: "small" with stride 1, "half" with stride 2.
        width: of a ResNet of torchvision's: channels of the first stage; 64 is the standard network.
        patch: height and width of the patches that the first layer cuts, in pixels; None for the library's.
        size: height and width of the images, in pixels; None for what the library takes.

    Input `[B, 3, H, W]`, output h `[B, D]` with D = `self.features`. `self.patch` is the height and width in pixels of
    the patch that each of `tokens` stands for, None for a network without tokens. `self.made_with` are the arguments of
    timm's function that makes the network; `output_stride` is among them where images were too small for its own
    strides, so that the last ones became dilations.

    Raises:
        InputError: an unknown network, or images that it cannot take.
    """

    def __init__(
        self,
        arch: str = "resnet18",
        stem: str = "imagenet",
        width: int = 64,
        patch: int | None = None,
        size: int | None = None,
    ) -> None:
        super().__init__()
        backbone = backbones.build(arch, stem, width, patch, size)
        assert backbone.features is not None
        self.arch, self.size, self.features, self.patch = arch, size, backbone.features, backbone.patch
        self.library, self.classifier, self.made_with = backbone.library, backbone.classifier, dict(backbone.made_with)
        self._prefix, self.network = backbone.prefix, backbone.network
        # Channels last in memory: max-pooling takes a sixth of the time then, on a CPU, and tensor cores want it.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images `[B, 3, H, W]` to features `[B, D]`."""
        return self.network(x)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Map images `[B, 3, H, W]` to one feature per patch `[B, T, D]`, row by row, without the class token.

        Raises:
            InputError: the network has no tokens.
        """
        if self.patch is None:
            raise InputError(
                f"encoder.arch={self.arch} has no token per patch; take a ViT of timm's, such as "
                "encoder.arch=vit_tiny_patch16_224 encoder.patch=4"
            )
        features: torch.Tensor = self.network.forward_features(x)  # type: ignore[operator]
        return features[:, self._prefix :]

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the network's state, under the library's keys."""
        return self.network.state_dict(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for key in [key for key in state_dict if key.startswith(prefix)]:
            state_dict[f"{prefix}network.{key.removeprefix(prefix)}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def encoder_of(config: dict[str, Any]) -> Encoder:
    """Return the encoder that a config names, with the random weights that its seed gives: the same for every method.

    Raises:
        InputError: an unknown network, or images that it cannot take.
    """
    torch.manual_seed(config["seed"])
    settings = {key: value for key, value in config["encoder"].items() if key != "weights"}
    return Encoder(**settings, size=config["data"]["size"])


def to_input(images: torch.Tensor) -> torch.Tensor:
    """Turn stored images into network range: uint8 `[B, H, W, 1 or 3]` to float `[B, 3, H, W]` in [0, 1]."""
    return images.permute(0, 3, 1, 2).float().div_(255).expand(-1, 3, -1, -1)


def normalized(images: torch.Tensor) -> torch.Tensor:
    """Centre and scale images in [0, 1] the same way for every data set: (x - 0.5) / 0.25. [us]"""
    return (images - 0.5).div_(0.25)


def to_stored(images: torch.Tensor) -> torch.Tensor:
    """Turn normalised images back into stored ones: float `[B, 3, H, W]` to uint8 `[B, H, W, 3]`."""
    return (images * 0.25 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
