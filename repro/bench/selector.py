"""What does a training step cost with each selector, over a step of BYOL that does nothing else?

A step begins with two views on the device and ends when the networks have moved. With a selector it is the one that
training takes: scores, partners, their loss, and all that is measured beside.
"""

from collections.abc import Iterator
from typing import Any

import torch

from repro.bench.comparison import MOST, Comparison
from repro.bench.memory import peak_megabytes
from repro.bench.noise import noise
from repro.bench.turns import Way, in_turn
from repro.configs.resolve import resolve
from repro.pretrain.byol import Byol, image_losses
from repro.pretrain.trainer import Trainer
from repro.procedure import device_of

REPEATS = 15

BATCH, STEPS = 256, 4
"""Images a step, as the scales have them; steps that are timed together."""

PLAIN = "a BYOL step"
METHODS: dict[str, tuple[str, dict[str, Any], float | None]] = {
    "last": ("byol_tracin", {"tracin.layers": "last"}, 1.02),
    "heads": ("byol_tracin", {"tracin.layers": "heads"}, 1.08),
    "full": ("byol_tracin", {"tracin.layers": "full"}, 2.2),
    "none, all measured": ("byol", {}, None),
    "random": ("byol_random", {}, None),
    "cosine": ("byol_cosine", {}, None),
    "queue": ("byol_queue", {}, None),
    "oracle": ("byol_oracle", {}, None),
}
"""Selector, or tier of TracIn -> method, settings, and what is asked of a CPU."""

ON_GPU = {"last": 1.02, "heads": 1.05, "full": 2.0}
MEMORY = 1.05
"""What the peak memory of `heads` may be, over BYOL's."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield the time of a step with each selector, and the memory it takes with `heads`, over those of BYOL's."""
    for size in sizes(device_of(resolve([]))):
        yield from _steps(size, repeats)


def sizes(device: torch.device) -> tuple[int, ...]:
    """Return the image sizes in pixels that a device is measured at."""
    return (112,) if device.type == "cuda" else (28, 64)


def scale(device: torch.device) -> str:
    """Return the scale whose networks a device is measured with."""
    return "paper" if device.type == "cuda" else "medmnist"


def _steps(size: int, repeats: int) -> Iterator[Comparison]:
    device = device_of(resolve([]))
    images = noise(2 * BATCH, size)
    trainers = {
        name: Trainer(images, resolve([method, scale(device)], {**settings, "data.size": size}), device, ())
        for name, (method, settings, _) in METHODS.items()
    }
    index = torch.arange(BATCH, device=device)
    views = torch.randn(2, BATCH, 3, size, size, device=device)

    def steps(trainer: Trainer, number: int = STEPS) -> None:
        for step in range(number):
            trainer.step(*views, trainer.members(index), step)

    plain = Trainer(images, resolve(["byol", scale(device)], {"data.size": size}), device, ())
    ways: dict[str, Way] = {PLAIN: lambda: [plain_step(plain, *views) for _ in range(STEPS)]}
    for name, trainer in trainers.items():
        trainer.begin_epoch(trainer.config["pretrain"]["epochs"] - 1)  # the partners' loss at its full weight
        ways[name] = lambda trainer=trainer: steps(trainer)  # type: ignore[misc]
    seconds = {name: [each / STEPS for each in taken] for name, taken in in_turn(ways, repeats, device).items()}
    for name, (_, _, asked) in METHODS.items():
        asked = ON_GPU.get(name) if device.type == "cuda" else asked
        yield Comparison(f"step, {name}, {size} px", seconds[name], PLAIN, seconds[PLAIN], "s", MOST, asked)
    megabytes = peak_megabytes(lambda: steps(trainers["heads"], 1), device)
    of_byol = peak_megabytes(lambda: plain_step(plain, *views), device)
    yield Comparison(f"memory of heads, {size} px", [megabytes], PLAIN, [of_byol], "MB", MOST, MEMORY)


def plain_step(trainer: Trainer, first: torch.Tensor, second: torch.Tensor) -> None:
    """Take a step of BYOL and nothing else, with a trainer's networks and optimiser."""
    model = trainer.objective.model
    assert isinstance(model, Byol)
    with trainer.objective.autocast():
        out = model(first, second)
    trainer.optimizer.zero_grad(set_to_none=True)
    image_losses(out).mean().backward()
    trainer.optimizer.step()
    model.update_target(trainer.config["pretrain"]["tau"])
