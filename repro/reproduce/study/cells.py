"""The cells of a study: which runs, and which of them needs another's encoder."""

import dataclasses
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from repro.configs import DATASETS, METHODS, WITHOUT_PRETRAINING
from repro.configs.identity import identity
from repro.configs.plans import PLANS, Images
from repro.configs.resolve import resolve
from repro.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Args:
        named: its named configs.
        updates: dotted key -> value, over them.
        task: the command of `repro.run` that makes it.
        origin: the cell whose encoder it judges; None where it needs none.
    """

    named: tuple[str, ...]
    updates: Mapping[str, Any]
    task: str
    origin: "Cell | None" = None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config, without the id of its origin's run."""
        return resolve(self.named, self.updates)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What its runs say they are, as far as it is known without the images."""
        origins = {} if self.origin is None else {"evaluate.pretraining": self.origin.identity}
        return identity(self.config, self.task, origins)

    @property
    def key(self) -> str:
        """The hash that finds its runs in the database."""
        return self.identity["cell"]

    @property
    def pretrains(self) -> bool:
        """Whether it makes an encoder."""
        return self.task != "evaluate" and self.config["method"]["objective"] not in WITHOUT_PRETRAINING

    @property
    def title(self) -> str:
        """What it is, in short."""
        of = "" if self.origin is None else f", pretrained on {self.origin.named[1]}"
        settings = " ".join(f"{key}={value}" for key, value in self.updates.items())
        return f"{' '.join(self.named[:2])} {settings}{of}"

    @property
    def command(self) -> str:
        """The command that runs just this cell, fit for a shell."""
        settings = [f"{key}={value}" for key, value in self.updates.items()]
        if self.origin is not None:
            settings.append("evaluate.pretraining=RUN_ID")
        task = [] if self.task == "train" else [self.task]
        return shlex.join(["python", "-m", "repro.run", *task, "with", *self.named, *settings])


def cells(
    scale: str,
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    stand_ins: Mapping[str, str] | None = None,
    updates: Mapping[str, Any] | None = None,
    dataset: str | None = None,
) -> list[Cell]:
    """Return a study's cells, each once, in an order in which they can run.

    Seed by seed, so that an early look compares all methods; then transfers, then what is changed about some methods,
    and last the further seeds that some methods have.

    Args:
        scale: a key of `PLANS`.
        methods, seeds: these in place of the plan's; empty for the plan's.
        stand_ins: data set of the plan -> the named config that stands in for it.
        updates: settings for every cell.
        dataset: one data set in place of the plan's, without its transfers and changed settings.

    Raises:
        InputError: an unknown method or data set, or the seed or the data set among the settings.
    """
    updates, plan = updates or {}, PLANS[scale]
    if "data.name" in updates:
        raise InputError(f"--set data.name: choose the data set with --data {updates['data.name']}")
    if dataset is not None:
        if dataset not in DATASETS:
            raise InputError(
                f"--data: no data set '{dataset}'.{did_you_mean(dataset, DATASETS)} Known: {', '.join(DATASETS)}"
            )
        plan = dataclasses.replace(plan, datasets=(Images(dataset),), ablations=())
    if "seed" in updates:
        raise InputError("--set seed=N would give all cells the same seed; use --seeds N")
    for method in methods:
        if method not in METHODS:
            raise InputError(
                f"--methods: no method '{method}'.{did_you_mean(method, METHODS)} Known: {', '.join(METHODS)}"
            )

    def cell(
        method: str, images: Images, more: Mapping[str, Any], task: str = plan.command, origin: Cell | None = None
    ) -> Cell:
        named = (stand_ins or {}).get(images.named, images.named)
        mark = {"data.stands_in_for": images.named} if named != images.named else {}
        own = {} if mark else images.updates  # a stand-in has no other splits
        return Cell((method, named, scale), {**own, **more, **mark, **updates}, task, origin)

    encoders = ({},) if "encoder.arch" in updates else plan.encoders  # one's own in place of the plan's

    def with_transfers(images: Images, by_seed: Mapping[int, Sequence[str]]) -> Iterator[Cell]:
        first = [
            cell(method, images, {"seed": seed, **encoder})
            for seed, those in by_seed.items()
            for encoder in encoders
            for method in those
        ]
        yield from first
        for target in images.transfer:
            for origin in first:
                if origin.pretrains:
                    same = {key: value for key, value in origin.updates.items() if key.startswith("encoder.")}
                    more = {"seed": origin.updates["seed"], "data.size": origin.config["data"]["size"], **same}
                    yield cell(origin.named[0], target, more, "evaluate", origin)

    def every() -> Iterator[Cell]:
        for images in plan.datasets:
            those = methods or images.methods or plan.methods
            those = [each for each in those if not images.methods or each in images.methods]
            yield from with_transfers(images, dict.fromkeys(seeds or images.seeds or plan.seeds, those))
        for ablation in plan.ablations:
            for (key, values), method in itertools.product(ablation.axes.items(), ablation.methods):
                if not methods or method in methods:
                    for value, seed in itertools.product(values, dict.fromkeys(seeds or ablation.seeds)):
                        more = {"seed": seed, **ablation.settings, key: value}
                        yield cell(method, ablation.images or plan.datasets[0], more)
        further: dict[int, list[str]] = {}
        for method, added in plan.more_seeds.items():
            if not methods or method in methods:
                for seed in () if seeds else added:
                    further.setdefault(seed, []).append(method)
        for images in plan.datasets:
            if not images.seeds:
                yield from with_transfers(images, further)

    found: dict[str, Cell] = {}
    for each in every():
        found.setdefault(each.key, each)
    return list(found.values())
