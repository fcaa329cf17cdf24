"""torchvision's ResNets, of any width and with a stem for small images."""

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from repro.pretrain.backbones.backbone import Backbone

ARCHITECTURES: dict[str, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
}


class AnyResNet(ResNet):
    """A ResNet up to its pooled features; keys of its state are torchvision's.

    Args:
        arch: a key of `ARCHITECTURES`.
        stem: "imagenet" (7x7 stride 2, max-pooling), or for images under 64 px 3x3 without max-pooling: "small" with
            stride 1, "half" with stride 2.
        width: channels of the first stage; 64 is the standard network.
    """

    def __init__(self, arch: str, stem: str, width: int) -> None:
        block, layers = ARCHITECTURES[arch]
        super().__init__(block, layers)
        if width != 64:
            self._rebuild(block, layers, width)
        if stem != "imagenet":
            stride = {"small": 1, "half": 2}[stem]
            self.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=stride, padding=1, bias=False)
            self.maxpool = nn.Identity()
        self.fc = nn.Identity()
        for module in self.modules():  # torchvision's initialisation, for what was rebuilt too
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _rebuild(self, block: type[BasicBlock | Bottleneck], layers: list[int], width: int) -> None:
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for number, blocks in enumerate(layers):
            stage = self._make_layer(block, width * 2**number, blocks, stride=1 if number == 0 else 2)
            setattr(self, f"layer{number + 1}", stage)


def build(arch: str, stem: str, width: int) -> Backbone:
    """Return a ResNet with random weights; arguments as of `AnyResNet`."""
    features = 8 * width * ARCHITECTURES[arch][0].expansion
    return Backbone("torchvision", AnyResNet(arch, stem, width), features, ("fc",))
