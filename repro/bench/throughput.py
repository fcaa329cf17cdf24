"""How many images does pretraining take in a second, end to end, beside lightly's recipe and beside its own limit?

End to end: from stored pixels over two views and the update of all networks to the epoch's metrics, with TracIn
choosing partners. The limit is the same step over and over on two views of noise that lie on the device. The recipe
trains plain BYOL.
"""

from collections.abc import Iterator

import torch

from repro.bench.comparison import LEAST, Comparison
from repro.bench.noise import noise
from repro.bench.recipe import Recipe
from repro.bench.selector import BATCH, scale, sizes
from repro.bench.turns import in_turn, rates
from repro.configs.resolve import resolve
from repro.pretrain.trainer import Trainer, new_encoder
from repro.procedure import device_of
from repro.progress import Progress

REPEATS = 5

STEPS = 10
"""Batches in an epoch."""

OVER_RECIPE, OF_LIMIT = 2.0, 0.8
OVER_RECIPE_GPU, OF_LIMIT_GPU = 4.0, 0.9


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield images per second beside the recipe, with its encoder as it is and laid out as ours, and the limit."""
    for size in sizes(device_of(resolve([]))):
        yield from _rates(size, repeats)


def _rates(size: int, repeats: int) -> Iterator[Comparison]:
    settings = {"data.size": size, "selector.measured": ["tracin_cosine"]}
    config = resolve(["byol_tracin", scale(device_of(resolve([])))], settings)
    device = device_of(config)
    images = noise(BATCH * STEPS, size)
    trainer, limit = (Trainer(images, config, device, ()) for _ in range(2))
    recipe, same_layout = (
        Recipe(images.images, new_encoder(config).to(memory_format=layout), config, device)
        for layout in (torch.contiguous_format, torch.channels_last)
    )
    views = torch.randn(2, BATCH, 3, size, size, device=device)
    members = limit.members(torch.arange(BATCH, device=device))

    def end_to_end() -> None:
        with Progress("", STEPS, shown=False) as progress:
            trainer.train_epoch(0, progress)

    def steps() -> None:
        limit.begin_epoch(0)
        for step in range(STEPS):
            limit.step(*views, members, step)

    ways = {"ours": end_to_end, "limit": steps, "lightly": recipe.epoch, "lightly, channels last": same_layout.epoch}
    found = {name: rates(BATCH * STEPS, seconds) for name, seconds in in_turn(ways, repeats, device).items()}
    cuda, what = device.type == "cuda", f"pretraining, {size} px"
    over, of = (OVER_RECIPE_GPU, OF_LIMIT_GPU) if cuda else (OVER_RECIPE, OF_LIMIT)
    ours = found["ours"]
    yield Comparison(what, ours, "lightly's recipe", found["lightly"], "images/s", LEAST, over)
    yield Comparison(what, ours, "the same, channels last", found["lightly, channels last"], "images/s", LEAST)
    yield Comparison(what, ours, "limit: no views to make", found["limit"], "images/s", LEAST, of)
