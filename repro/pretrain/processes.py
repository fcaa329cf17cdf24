"""Several processes that train the same networks, each on its share of every batch: `torchrun -m repro.run`.

Every process passes its own images through the networks; what comes out of them is gathered, and from there on each
computes the whole batch's losses and partners, as a single process does. The gradient of the whole loss goes back
through one's own images only, so the processes' gradients add up to the gradient. In a process that is alone each
function here gives back what it was given.
"""

import contextlib
import itertools
import signal
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.errors import InputError
from repro.pretrain.precision import exact
from repro.pretrain.rendezvous import meet, wait_for_all
from repro.pretrain.signals import ended_by_signals
from repro.ranks import local, place

_trainings = itertools.count()

Network = TypeVar("Network", bound=nn.Module)


def started() -> int:
    """Return how many processes torchrun started; 1 without it."""
    return place().world


def is_first() -> bool:
    """Whether this is the process that records, reports and judges; the others only train with it."""
    return place().rank == 0


def on_this_device(device: torch.device) -> None:
    """Give every process of a machine a GPU of its own.

    Raises:
        InputError: there are fewer GPUs than processes.
    """
    own, wanted = local()
    if device.type != "cuda" or wanted == 1:
        return
    if wanted > torch.cuda.device_count():
        raise InputError(
            f"{wanted} processes, but torch sees {torch.cuda.device_count()} CUDA devices here; "
            "start as many processes as there are devices, or set device=cpu"
        )
    torch.cuda.set_device(own)


@contextlib.contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Wait for all the processes that torchrun started, and train with them; they part where all went well.

    After an error they stay joined until the process ends: parting from those that are still at work can hang.

    Args:
        device: where this process computes.

    Raises:
        InputError: some of them did not come.
    """
    if started() == 1:
        yield
        return
    own, store = place(), meet()
    # Not a wait inside torch: that would time out while the first prepares images, and be deaf to SIGTERM.
    wait_for_all(store, f"repro/ready/{next(_trainings)}")
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        with ended_by_signals():
            dist.init_process_group(backend, store=store, rank=own.rank, world_size=own.world)
            yield
    except BaseException:
        # A lost process ends the others with SIGTERM, while the first writes down how its run ended. That takes
        # moments; torchrun kills what is left after 30 s.
        if is_first():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise
    dist.destroy_process_group()


def count() -> int:
    """Return how many processes train together now."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def share(batch: int) -> slice:
    """Return which images of a batch are this process's own, as many as every other's."""
    size = batch // count()
    rank = dist.get_rank() if count() > 1 else 0
    return slice(rank * size, (rank + 1) * size)


def gathered(x: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """Return everybody's tensors, one after the other along `dim`; a gradient goes back to one's own alone.

    Right where every process computes the same from them, and the gradients of parameters are added up.

    Args:
        x: this process's share, of the same shape in all of them.
        dim: the dimension of the images.
    """
    return x if count() == 1 else _Gathered.apply(x, dim, False)


def variance(x: torch.Tensor) -> torch.Tensor:
    """Return the variance `[C]` (biased) of each channel over the whole batch.

    Args:
        x: this process's share `[B, C, ...]`.
    """
    return _own_moments(x)[1] if count() == 1 else _moments(x)[1]


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every process the sum of all the processes' gradients.

    By hand and at once: DistributedDataParallel reduces while a backward pass goes on, after one forward pass through
    the module it wraps; a step here has two forward passes through parts of the networks, and TracIn may take a
    backward pass of its own between them and the loss's.
    """
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))


def join_norms(network: Network) -> Network:
    """Return the network, its BatchNorms changed in place into ones with the statistics of the whole batch."""
    if count() == 1:
        return network
    for parent in list(network.modules()):
        for name, norm in parent.named_children():
            if isinstance(norm, _BatchNorm):
                joined = WholeBatchNorm(
                    norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
                )
                for after, module in norm.named_children():  # timm's go on to an activation
                    joined.add_module(after, module)
                joined.to(norm.running_mean).load_state_dict(norm.state_dict())
                setattr(parent, name, joined)
    return network


class WholeBatchNorm(nn.SyncBatchNorm):
    """BatchNorm over the shares of all processes: torch's on a GPU, ours on a CPU, which torch's refuses.

    In eval mode, and once the processes have parted, it is an ordinary BatchNorm.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise this process's share `[B, C, ...]`, and go on to an activation if there is one inside."""
        y = self._normalised(x)
        for module in self.children():
            y = module(y)
        return y

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cuda or not self.training or count() == 1:
            return super().forward(x)
        precise = exact(x)
        mean, spread = _moments(precise)
        n = count() * x.numel() // x.shape[1]
        with torch.no_grad():
            assert self.num_batches_tracked is not None
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.momentum is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(spread * n / (n - 1), self.momentum)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = torch.rsqrt(spread + self.eps)
        if not self.affine:
            return ((precise - mean.view(shape)) * scale.view(shape)).to(x.dtype)
        return ((precise - mean.view(shape)) * (self.weight * scale).view(shape) + self.bias.view(shape)).to(x.dtype)


def _moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each channel's mean and biased variance `[C]` over all shares, which are of one size."""
    means, variances = _Gathered.apply(torch.stack(_own_moments(x))[None], 0, True).unbind(dim=1)
    return means.mean(dim=0), variances.mean(dim=0) + means.var(dim=0, unbiased=False)


def _own_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and biased variance `[C]` of this process's share; torch.var takes six times as long on a CPU."""
    dims = [d for d in range(x.ndim) if d != 1]
    mean = x.mean(dim=dims, keepdim=True)
    return mean.flatten(), (x - mean).square().mean(dim=dims)


class _Gathered(torch.autograd.Function):
    """Everybody's tensors; `summed`: each process goes on to something of its own, so that their gradients add up."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, dim: int, summed: bool) -> torch.Tensor:
        ctx.dim, ctx.summed = dim, summed
        ctx.set_materialize_grads(False)  # TracIn's backward pass goes around the statistics
        own = x.contiguous()
        parts = [torch.empty_like(own) for _ in range(count())]
        dist.all_gather(parts, own)
        return torch.cat(parts, dim)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor | None) -> tuple[torch.Tensor | None, None, None]:
        if gradient is None:
            return None, None, None
        if ctx.summed:
            gradient = gradient.contiguous().clone()
            dist.all_reduce(gradient)
        own = share(gradient.shape[ctx.dim])
        return gradient.narrow(ctx.dim, own.start, own.stop - own.start), None, None
