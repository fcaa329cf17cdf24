"""The encoder f: a torchvision ResNet without its classifier, of any width."""

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

ARCHITECTURES: dict[str, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
}


class Encoder(ResNet):
    """ResNet-18 or -50 up to its pooled features; keys of its state are torchvision's.

    Args:
        arch: a key of `ARCHITECTURES`.
        stem: "imagenet" (7x7 stride 2, max-pooling), or for images under 64 px 3x3 without max-pooling: "small" with
            stride 1, "half" with stride 2.
        width: channels of the first stage; 64 is the standard network.

    Input `[B, 3, H, W]`, output h `[B, D]` with D = `self.features`.
    """

    def __init__(self, arch: str = "resnet18", stem: str = "imagenet", width: int = 64) -> None:
        block, layers = ARCHITECTURES[arch]
        super().__init__(block, layers)
        if width != 64:
            self._rebuild(block, layers, width)
        if stem != "imagenet":
            stride = {"small": 1, "half": 2}[stem]
            self.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=stride, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.features = 8 * width * block.expansion
        self.fc = nn.Identity()
        for module in self.modules():  # torchvision's initialisation, for what was rebuilt too
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Channels last in memory: max-pooling takes a sixth of the time then, on a CPU, and tensor cores want it.
        self.to(memory_format=torch.channels_last)

    def _rebuild(self, block: type[BasicBlock | Bottleneck], layers: list[int], width: int) -> None:
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for number, blocks in enumerate(layers):
            stage = self._make_layer(block, width * 2**number, blocks, stride=1 if number == 0 else 2)
            setattr(self, f"layer{number + 1}", stage)


def to_input(images: torch.Tensor) -> torch.Tensor:
    """Turn stored images into network range: uint8 `[B, H, W, 1 or 3]` to float `[B, 3, H, W]` in [0, 1]."""
    return images.permute(0, 3, 1, 2).float().div_(255).expand(-1, 3, -1, -1)


def normalized(images: torch.Tensor) -> torch.Tensor:
    """Centre and scale images in [0, 1] the same way for every data set: (x - 0.5) / 0.25. [us]"""
    return (images - 0.5).div_(0.25)


def to_stored(images: torch.Tensor) -> torch.Tensor:
    """Turn normalised images back into stored ones: float `[B, 3, H, W]` to uint8 `[B, H, W, 3]`."""
    return (images * 0.25 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
