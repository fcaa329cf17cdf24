"""Small networks in float64, and a second, slow way to the gradient of each image: what the fast way is held to."""

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.pretrain.byol import Byol, Outputs, distance


class OddEncoder(nn.Module):
    """Grouped, strided and dilated convolutions, with and without bias."""

    features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 6, (1, 3), stride=(2, 1), groups=2),
            nn.BatchNorm2d(6),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).relu().mean(dim=(2, 3))


class PatchNetwork(nn.Module):
    """A small network with a token for each patch of 4 pixels, as a ViT has."""

    features, patch = 6, 4

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 4, stride=4)
        self.mix = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self.embed(x).flatten(2).mT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tokens(x).mean(dim=1)


def byol_in_float64(encoder: nn.Module, hidden: int = 10, out: int = 5, predictor: bool = True) -> Byol:
    model = Byol(encoder, hidden, out, predictor).double().train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):  # fresh ones would hide a forgotten scale
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    for target in (model.target_encoder, model.target_projector):
        for parameter in target.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model


class Constant(nn.Module):
    """A BatchNorm whose statistics are numbers."""

    def __init__(self, norm: _BatchNorm, x: torch.Tensor) -> None:
        super().__init__()
        dims = [d for d in range(x.ndim) if d != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        self.mean = x.detach().mean(dim=dims).view(shape)
        self.std = (x.detach().var(dim=dims, unbiased=False) + norm.eps).sqrt().view(shape)
        scale, shift = (norm.weight, norm.bias) if norm.affine else (torch.ones(1), torch.zeros(1))
        self.scale, self.shift = (p.detach().clone().to(x.dtype).expand(x.shape[1]).view(shape) for p in (scale, shift))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std * self.scale + self.shift


class Frozen(nn.Module):
    """The online network of a model, every BatchNorm replaced by constants of one view's batch. Maps a view to p."""

    def __init__(self, model: Byol, view: torch.Tensor) -> None:
        super().__init__()
        online = copy.deepcopy(nn.ModuleDict({k: m for k, m in model.named_children() if not k.startswith("target")}))
        seen: dict[str, torch.Tensor] = {}
        norms = {name: m for name, m in online.named_modules() if isinstance(m, _BatchNorm)}
        for name, norm in norms.items():
            norm.register_forward_hook(lambda _, x, __, name=name: seen.__setitem__(name, x[0].clone()))
        self.online = online
        self(view)
        for name, norm in norms.items():
            parent, _, child = name.rpartition(".")
            constant = Constant(norm, seen[name])  # and what timm's go on to
            setattr(online.get_submodule(parent), child, nn.Sequential(constant, *norm.children()))

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        z = self.online["projector"](self.online["encoder"](view))[0]
        return self.online["predictor"](z)[0] if "predictor" in self.online else z


def names_of(frozen: Frozen, tier: str) -> list[str]:
    """The parameters of a tier, by name, found without the code that is tested."""
    layers = {n: m for n, m in frozen.online.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    heads = [n for n in layers if not n.startswith("encoder")]
    kept = {"last": heads[-1:], "heads": heads, "full": list(layers)}[tier]
    return [f"{n}.{p}" for n in kept for p, _ in layers[n].named_parameters()]


def image_gradients(model: Byol, views: list[torch.Tensor], targets: torch.Tensor, tier: str) -> torch.Tensor:
    """One `autograd.grad` per image `[B, parameters]`; `views` may be one view of two."""
    copies = [Frozen(model, view) for view in views]
    rows = []
    for i in range(len(views[0])):
        total: torch.Tensor | float = 0.0
        for u, (frozen, view) in enumerate(zip(copies, views, strict=True)):
            loss = distance(frozen(view[i : i + 1]), targets[1 - u, i : i + 1]).sum()
            parameters = dict(frozen.online.named_parameters())
            parts = torch.autograd.grad(loss, [parameters[name] for name in names_of(frozen, tier)])
            total = total + torch.cat([part.flatten() for part in parts])
        rows.append(total)
    return torch.stack(rows)  # type: ignore[arg-type]


def draw(model: Byol, batch: int, size: int) -> tuple[torch.Tensor, torch.Tensor, Outputs]:
    """Two random views `[B, 3, size, size]` and what the model makes of them, to look at without any tape."""
    first, second = torch.randn(2, batch, 3, size, size, dtype=torch.float64)
    return first, second, model(first, second)
