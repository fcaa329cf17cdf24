"""What does a training step cost with each selector, relative to a BYOL step?

A step begins with two views on the device and ends when the networks have moved. With a selector it is the one that
training takes: scores, partners, their loss, and the partners of three selectors measured beside. These are measured in
some batches only, so what is timed is as many steps as lie from one such batch to the next, over as many of BYOL's.
"""

from collections.abc import Callable, Iterator
from typing import Any

from repro.bench.comparison import MOST, Comparison
from repro.bench.interleaving import Way, in_turn
from repro.bench.memory import peak_megabytes
from repro.bench.workload import DEVICE, ON_GPU, SIZES, Workload
from repro.configs.resolve import resolve
from repro.pretrain.byol import Byol, decay_at, image_losses

REPEATS = 10

STEPS: int = resolve()["selector"]["measure_every"]
"""Of these, one measures all selectors."""

PLAIN = "a BYOL step"
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "TracIn last": ("byol_tracin", {}),
    "TracIn last, no other measured": ("byol_tracin", {"selector.measured": ["tracin_cosine"]}),
    "TracIn heads": ("byol_tracin", {"tracin.layers": "heads"}),
    "TracIn full": ("byol_tracin", {"tracin.layers": "full"}),
    "none, but three measured": ("byol", {}),
    "random": ("byol_random", {}),
    "cosine": ("byol_cosine", {}),
    "queue": ("byol_queue", {}),
    "oracle": ("byol_oracle", {}),
}
"""Selector -> method and settings."""

ASKED = {"TracIn last": 1.02, "TracIn heads": 1.05 if ON_GPU else 1.08, "TracIn full": 2.0 if ON_GPU else 2.2}
MEMORY, MEASURED_IN = 1.05, "TracIn heads"
"""What the peak memory of that selector's step may be, over BYOL's."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield the time of a step with each selector, and the memory it takes, over those of BYOL's."""
    for size in SIZES:
        plain = Workload("byol", size)
        others = {name: Workload(method, size, settings) for name, (method, settings) in METHODS.items()}
        for name, work in others.items():  # each beside a plain step of its own: some ask for two parts in a hundred
            ways: dict[str, Way] = {PLAIN: _steps(plain_step, plain), name: _steps(Workload.step, work)}
            found = {way: [each / STEPS for each in seconds] for way, seconds in in_turn(ways, repeats).items()}
            yield Comparison(f"step, {name}, {size} px", found[name], PLAIN, found[PLAIN], "s", MOST, ASKED.get(name))
        with_selector = peak_megabytes(_steps(Workload.step, others[MEASURED_IN]), DEVICE)
        of_byol = peak_megabytes(_steps(plain_step, plain), DEVICE)
        what = f"peak memory of {MEASURED_IN}, {size} px"
        yield Comparison(what, [with_selector], PLAIN, [of_byol], "MB", MOST, MEMORY)


def _steps(step: Callable[[Workload], object], work: Workload) -> Way:
    def several() -> None:
        for _ in range(STEPS):
            step(work)

    return several


def plain_step(work: Workload) -> None:
    """Take a step of BYOL and nothing else."""
    trainer, model = work.trainer, work.trainer.objective.model
    assert isinstance(model, Byol)
    with trainer.objective.autocast():
        out = model(work.first, work.second)
    trainer.optimizer.zero_grad(set_to_none=True)
    image_losses(out).mean().backward()
    trainer.optimizer.step()
    model.update_target(decay_at(0, trainer.objective.context.steps, work.config["pretrain"]))
