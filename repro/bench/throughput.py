"""How many images per second does pretraining process, compared with lightly's recipe and with an upper bound?

End to end: from stored pixels over two views and the update of all networks to the epoch's metrics, with TracIn
choosing partners. The limit is the same step over and over on two views of noise that lie on the device. The recipe
trains plain BYOL.
"""

from collections.abc import Iterator

import torch

from repro.bench.comparison import LEAST, Comparison
from repro.bench.interleaving import Way, in_turn, rates
from repro.bench.lightly_recipe import Recipe
from repro.bench.workload import BATCH, DEVICE, ON_GPU, SIZES, Workload
from repro.pretrain.trainer import new_encoder

REPEATS = 7

STEPS = 10
"""Batches in an epoch."""

OVER_RECIPE, OF_LIMIT = (4.0, 0.9) if ON_GPU else (2.0, 0.8)


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield images per second beside the recipe, with its encoder as it is and laid out as ours, and the limit."""
    for size in SIZES:
        work = Workload("byol_tracin", size, steps=STEPS)
        limit, config = Workload("byol_tracin", size), work.config
        recipes = {
            name: Recipe(work.images.images, new_encoder(config).to(memory_format=layout), config, DEVICE)
            for name, layout in {
                "lightly's recipe": torch.contiguous_format,
                "the same, channels last": torch.channels_last,
            }.items()
        }

        def steps(limit: Workload = limit) -> None:
            for number in range(STEPS):
                limit.step(number)

        ways: dict[str, Way] = {"ours": work.epoch, "upper bound: no augmentation": steps}
        ways |= {name: recipe.epoch for name, recipe in recipes.items()}
        found = {name: rates(BATCH * STEPS, seconds) for name, seconds in in_turn(ways, repeats).items()}
        asked = {"lightly's recipe": OVER_RECIPE, "upper bound: no augmentation": OF_LIMIT}
        ours = found.pop("ours")
        for peer, theirs in found.items():
            yield Comparison(f"pretraining, {size} px", ours, peer, theirs, "images/s", LEAST, asked.get(peer))
