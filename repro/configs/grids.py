"""Which recipes are tried for each method of a scale: data, declared before any of them is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repro.configs.plans import BY_LESION, Images


@dataclass(frozen=True)
class Grid:
    """The candidates of one method: all combinations of the values of its axes; of equally good ones the first wins.

    Args:
        axes: dotted key -> values tried.
        base: the method whose chosen recipe this one takes first; None for its own.
        each: in place of axes, the candidates one by one, dotted key -> value.
        seeds: in place of the tuning's; empty for those.
    """

    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    base: str | None = None
    each: tuple[Mapping[str, Any], ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """How the recipes of a scale are chosen.

    Args:
        doc: what it does, and what it costs.
        datasets: candidates are scored on the validation split of each; the mean counts.
        seeds: none of them is a seed of the study.
        settings: of every candidate's run, dotted key -> value.
        grids: method -> its candidates.
        steps: numbers of steps that random weights are fine-tuned with. At each label fraction the fewest are chosen with
            which validation is as good as with more.
        finetune: settings of those runs, dotted key -> value.
    """

    doc: str
    datasets: tuple[Images, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    grids: Mapping[str, Grid]
    steps: tuple[int, ...]
    finetune: Mapping[str, Any]


_RATES = (2.0, 6.0)
"""Learning rates of LARS, on both sides of the scale's. BYOL keeps that, 4, and tries how fast its predictor learns and how
often its target is replaced."""

_LOW_RATES = (0.5, 1.0)
"""Of methods that the scale's rate harms: after 30 epochs MoCo was below random weights, and SwAV's loss was NaN."""

_WEIGHTS: dict[str, tuple[Any, ...]] = {"selector.weight": (0.25, 0.5), "selector.warmup_epochs": (0, 10)}
"""What methods with partners try, on top of the recipe of their base."""

_PARTNERS = Grid(_WEIGHTS, base="byol")

_REFINED = Grid(
    base="byol_tracin",
    each=(
        {"selector.name": "none"},
        {},
        {"selector.mutual": True},
        {"selector.confidence": 0.5},
        {"selector.confidence": 0.75},
        {"selector.mutual": True, "selector.confidence": 0.5},
        {"selector.name": "tracin_bank"},
        {"selector.name": "tracin_bank", "selector.confidence": 0.75},
        {"selector.start": "learned"},
        {"tracin.layers": "heads"},
        {"tracin.layers": "full"},
    ),
    seeds=(11, 12, 13),
)
"""Better partners from the same gradients, beside BYOL and TracIn as they are. Not among them: gradients at stored
checkpoints, which name a run of one database, and the exclusion of the own lesion, which some data sets cannot tell."""

TUNINGS = {
    "medmnist": Tuning(
        "Four candidates for every base method, each with 20 epochs of pretraining, one seed and two data sets; methods "
        "with partners take the recipe of their base and try four pairs of weight and warm-up; variants of TracIn's partners take "
        "TracIn's recipe, with three seeds. Scored by the macro AUC of the linear probe with 1, 10 and 100 % of the labels "
        "on the validation split. [us]",
        datasets=(Images("dermamnist", BY_LESION), Images("pneumoniamnist")),
        seeds=(11,),
        settings={
            "pretrain.epochs": 20,
            "evaluate.test": False,
            "evaluate.protocols": ["linear"],
        },
        grids={
            "byol": Grid({"pretrain.predictor_lr": (1.0, 10.0), "pretrain.renewals": (100.0, 300.0)}),
            "simclr": Grid({"contrastive.temperature": (0.1, 0.5), "pretrain.lr": _RATES}),
            "dcl": Grid({"contrastive.temperature": (0.1, 0.5), "pretrain.lr": _RATES}),
            "nnclr": Grid({"contrastive.temperature": (0.1, 0.5), "pretrain.lr": _RATES}),
            "dcl_nn": Grid({"contrastive.temperature": (0.1, 0.5), "pretrain.lr": _RATES}),
            "moco": Grid({"pretrain.renewals": (50.0, 300.0), "pretrain.lr": _LOW_RATES}),
            "simsiam": Grid({"pretrain.predictor_lr": (1.0, 10.0), "pretrain.lr": _RATES}),
            "barlow_twins": Grid({"barlow_twins.redundancy": (0.005, 0.02), "pretrain.lr": _RATES}),
            "vicreg": Grid({"vicreg.covariance": (1.0, 4.0), "pretrain.lr": _RATES}),
            "swav": Grid({"swav.temperature": (0.1, 0.2), "pretrain.lr": _LOW_RATES}),
            "dino": Grid({"pretrain.renewals": (50.0, 300.0), "pretrain.lr": _RATES}),
            "restore": Grid({"restore.shuffle": (0.2, 0.4), "pretrain.lr": _RATES}),
            "byol_random": _PARTNERS,
            "byol_cosine": _PARTNERS,
            "byol_queue": _PARTNERS,
            "byol_tracin": _PARTNERS,
            "byol_oracle": _PARTNERS,
            "byol_tracin_refined": _REFINED,
            "simclr_tracin": Grid(_WEIGHTS, base="simclr"),
            "simsiam_tracin": Grid(_WEIGHTS, base="simsiam"),
        },
        steps=(200, 500, 1000, 2000, 4000),
        finetune={"evaluate.test": False, "evaluate.protocols": ["finetune"]},
    ),
}
"""Scale -> how its recipes are chosen."""
