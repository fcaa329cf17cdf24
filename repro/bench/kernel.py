"""How much faster is pairwise TracIn inside a batch than one gradient per image, with the same result?

All begin with what goes into the tier's lowest layer, and end with K. Ours passes the batch through the layers in train
mode, as training does in any case; a peer passes it with the batch's statistics as constants.
"""

import copy
import functools
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils.data import BatchSampler, DataLoader, TensorDataset

from repro.bench.comparison import LEAST, Comparison
from repro.bench.fixed_statistics import online
from repro.bench.interleaving import in_turn, rates
from repro.bench.workload import DEVICE, ON_GPU, SCALE
from repro.configs.resolve import resolve
from repro.pretrain.byol import Byol, Outputs, distance
from repro.pretrain.tracin import OnlineTracin
from repro.pretrain.trainer import new_encoder

log = logging.getLogger("repro.bench")

REPEATS = 7

SIZE = 28
"""Of the images, in pixels; the tiers last and heads do not see them."""

BATCHES = {"last": (32, 256, 1024), "heads": (32, 256, 1024), "full": (32, 256)}
LOOP_UP_TO = 256
"""Larger batches are left out where images come one by one: it takes as long again for each."""

LOOP, VMAP, OPACUS, CAPTUM = "a backward pass per image", "torch.func.vmap", "opacus", "captum TracInCPFast, no bias"
ASKED = {("heads", 256, LOOP): 200.0 if ON_GPU else 100.0, ("heads", 256, VMAP): 10.0}


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield how many images' rows of K come out in a second, beside every peer that has the tier."""
    for tier, batches in BATCHES.items():
        for batch in batches:
            problem = Problem(tier, batch)
            problem.check()
            ours, *peers = problem.ways
            seconds = in_turn(problem.ways, repeats)
            for peer in peers:
                yield Comparison(
                    f"pairwise kernel, tier {tier}, batch {batch:,}",
                    rates(batch, seconds[ours]),
                    peer,
                    rates(batch, seconds[peer]),
                    "images/s",
                    LEAST,
                    ASKED.get((tier, batch, peer)),
                )


class Problem:
    """A batch and its networks, as the scale has them, and every way to K.

    Args:
        tier: "last", "heads" or "full".
        batch: images.
        dtype: of networks and images.
    """

    def __init__(self, tier: str, batch: int, dtype: torch.dtype = torch.float32) -> None:
        config = resolve(["byol_tracin", SCALE], {"tracin.layers": tier})
        self.tier = tier
        self.model = Byol(new_encoder(config), **config["heads"]).to(DEVICE, dtype).train()
        views = torch.randn(2, batch, 3, SIZE, SIZE, device=DEVICE, dtype=dtype)
        self.tracin = OnlineTracin(self.model, config["tracin"])
        self.network, self.inputs = online(self.model, tier, *views)
        with torch.no_grad():
            self.targets = self.model(*views).t.flip(0).transpose(0, 1).contiguous()
        self.parameters = {name: p.detach() for name, p in self.network.named_parameters()}
        self.ways: dict[str, Callable[[], torch.Tensor]] = {"ours": self.ours}
        if batch <= LOOP_UP_TO:
            self.ways[LOOP] = self.loop
        self.ways[VMAP] = self.vmap
        if tier != "full" and _is_there("opacus"):
            self.ways[OPACUS] = self.opacus
        if tier == "last" and _is_there("captum"):
            self.ways[CAPTUM] = self.captum

    def check(self) -> None:
        """Stop unless all ways give the same, up to rounding."""
        exact = self.vmap()
        for name, way in self.ways.items():
            # One ReLU whose sign hangs on the last bit moves a gradient; what captum leaves out is a small share here.
            # The tests hold all of them to ours in float64, digit by digit.
            error = float((way() - exact).norm() / exact.norm())
            assert error < (0.1 if name == CAPTUM else 0.01), f"{name} is off by {error}"

    def ours(self) -> torch.Tensor:
        """Return K `[B, B]` as training has it: a forward pass in train mode, then the kernel."""
        predictor, views = self.model.predictor, self.inputs.unbind(dim=1)
        assert predictor is not None
        with self.tracin.watching():
            if self.tier == "last":
                made = [(predictor.last(a), a) for a in views]
            else:
                features = [self.model.encoder(view) for view in views] if self.tier == "full" else views
                made = [predictor(self.model.projector(h)[0]) for h in features]
        p, a = (torch.stack(each) for each in zip(*made, strict=True))
        t = self.targets.transpose(0, 1).flip(0)
        return self.tracin.kernel(Outputs(p, a, z=t, t=t), views[0], views[1], lambda *_: None)

    def loop(self) -> torch.Tensor:
        """Return K from `autograd.grad`, image by image."""
        parameters = list(self.network.parameters())
        rows = []
        for x, t in zip(self.inputs, self.targets, strict=True):
            gradients = torch.autograd.grad(distance(self.network(x), t).sum(), parameters)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
        return self._products(torch.stack(rows))

    def vmap(self) -> torch.Tensor:
        """Return K from per-sample gradients of torch.func."""

        def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return distance(functional_call(self.network, parameters, (x,)), t).sum()

        gradients = vmap(grad(loss), in_dims=(None, 0, 0))(self.parameters, self.inputs, self.targets)
        return self._products(torch.cat([gradient.flatten(1) for gradient in gradients.values()], dim=1))

    def opacus(self) -> torch.Tensor:
        """Return K from opacus's per-sample gradients, which it adds up over the views."""
        network = self._wrapped
        network.zero_grad(set_to_none=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            distance(network(self.inputs), self.targets).sum().backward()
        return self._products(torch.cat([p.grad_sample.flatten(1) for p in network.parameters()], dim=1))  # type: ignore[attr-defined]

    def captum(self) -> torch.Tensor:
        """Return K without the bias's share: every view is an example of its own, and their products are added up."""
        products = self._captum.influence((self.inputs.flatten(0, 1), self.targets.flatten(0, 1)))
        return products.view(len(self.inputs), 2, len(self.inputs), 2).sum(dim=(1, 3))

    @functools.cached_property
    def _wrapped(self) -> nn.Module:
        from opacus import GradSampleModule

        return GradSampleModule(copy.deepcopy(self.network), loss_reduction="sum")

    @functools.cached_property
    def _captum(self) -> Any:
        from captum.influence import TracInCPFast

        pairs = TensorDataset(self.inputs.flatten(0, 1), self.targets.flatten(0, 1))
        one_batch = BatchSampler(range(len(pairs)), len(pairs), drop_last=False)
        return TracInCPFast(
            self.network, next(self.network.children()), DataLoader(pairs, sampler=one_batch, batch_size=None), ["now"],
            checkpoints_load_func=lambda *_: 1.0, loss_fn=_SummedDistance(),
        )  # fmt: skip

    def _products(self, gradients: torch.Tensor) -> torch.Tensor:
        return gradients @ gradients.T


@functools.cache
def _is_there(peer: str) -> bool:
    """Return whether a library of the extra `peers` is installed; say so once if not."""
    there = importlib.util.find_spec(peer) is not None
    if not there:
        log.warning("not compared with %s, which is not installed: it is in the extra `peers`", peer)
    return there


class _SummedDistance(nn.Module):
    reduction = "sum"  # captum asks a loss how it reduces

    def forward(self, p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return distance(p, t).sum()
