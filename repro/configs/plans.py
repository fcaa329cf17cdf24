"""The matrix of a scale, as data: which cells make the study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Images:
    """A data set of a plan.

    Args:
        named: its named config.
        updates: dotted key -> value, over it.
        transfer: the data sets that encoders pretrained on it are also judged on.
        methods, seeds: these alone, in place of the plan's; empty for the plan's.
    """

    named: str
    updates: Mapping[str, Any] = field(default_factory=dict)
    transfer: "tuple[Images, ...]" = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Ablation:
    """Methods on one data set, again with one setting changed at a time.

    Args:
        methods: named configs.
        axes: dotted key -> values tried; the methods' own value may be among them and costs nothing.
        seeds: one run each.
        images: the data set; None for the plan's first.
        settings: what all these runs share, dotted key -> value.
    """

    methods: tuple[str, ...]
    axes: Mapping[str, tuple[Any, ...]]
    seeds: tuple[int, ...]
    images: Images | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """All combinations of data sets, encoders, methods and seeds, each run as `COMMAND with METHOD DATASET SCALE seed=N`.

    Args:
        doc: what it shows, and what it costs.
        datasets: the data sets.
        methods: named configs.
        seeds: one run each.
        command: train, or pretrain where only that is of interest.
        ablations: what is changed about some of the methods.
        encoders: the settings of each, dotted key -> value, over the scale's.
        more_seeds: method -> further seeds, which run last; not on data sets that have seeds of their own.
    """

    doc: str
    datasets: tuple[Images, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    command: str = "train"
    ablations: tuple[Ablation, ...] = ()
    encoders: tuple[Mapping[str, Any], ...] = ({},)
    more_seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


BY_LESION = {"data.split": "lesion"}
_BREAST = Images("breastmnist")
_RIVALS = (
    "random_init", "supervised", "semixup", "fixmatch", "fixmatch_paths",
    "simclr", "dcl", "nnclr", "dcl_nn", "moco", "simsiam", "barlow_twins", "vicreg", "swav", "dino",
    "restore", "byol",
)  # fmt: skip
_SELECTORS = ("byol_random", "byol_cosine", "byol_queue", "byol_tracin", "byol_oracle")
_OTHER_BASES = ("simsiam_tracin", "simclr_tracin")

_UNKNOWNS: dict[str, tuple[Any, ...]] = {
    "tracin.layers": ("last", "heads", "full"),
    "tracin.normalize": ("cosine", "dot"),
    "selector.weight": (0.5, 1.0, 2.0),
    "pretrain.batch_size": (64, 128, 256, 512),
}
"""Settings of the method that the paper's abstract does not give."""

_MORE: dict[str, tuple[Any, ...]] = {
    "selector.warmup_epochs": (0, 5),
    "selector.symmetric": (False, True),
    "tracin.exclude_group": (False, True),
    "encoder.width": (16, 32),
    "augment.grey": (0.0, 0.2),
}
"""What else could keep the additional positive from helping: timing, weight and choice of partners, capacity, views."""

_DERMA, _PNEUMONIA = Images("dermamnist", BY_LESION), Images("pneumoniamnist")

_WEIGHTS = Ablation(
    ("byol_tracin", "byol_oracle"), {"selector.weight": (0.25, 0.5, 1.0, 2.0)}, seeds=(0, 1, 2, 3, 4), images=_PNEUMONIA
)
"""Where BYOL beats random weights and right partners seem to help: how much weight does the additional positive bear?
Partners of the right label against those of TracIn, so that what being wrong costs is told from what pulling costs."""

_FLOOR: dict[str, tuple[Any, ...]] = {
    "pretrain.epochs": (10, 20, 40),
    "augment.jitter_prob": (0.0, 0.8),
    "pretrain.renewals": (3.0, 30.0, 300.0),
}
"""What could keep BYOL itself, with or without an additional positive, near random weights on skin images: too short a
training, views that hide the colour, too slow a target."""

_MAIN = ("byol", "byol_random", "byol_cosine", "byol_tracin", "byol_oracle")
"""The comparison that the paper's claim is about: which partner, if any."""

_WEIGHTS_OF_PARTNERS = (0.5, 1.0)
_LATER = {"selector.warmup_epochs": 10}
_ERRORS = (0.0, 0.25, 0.5, 0.75, 1.0)

_HOW_GOOD = tuple(
    Ablation(("byol_oracle",), {"selector.error": _ERRORS}, (0, 1, 2), images, {**_LATER, "selector.weight": weight})
    for weight in _WEIGHTS_OF_PARTNERS
    for images in (_DERMA, _PNEUMONIA)
) + tuple(
    Ablation(
        ("byol_random", "byol_cosine", "byol_tracin"),
        {"selector.weight": _WEIGHTS_OF_PARTNERS},
        (0, 1, 2),
        images,
        _LATER,
    )
    for images in (_DERMA, _PNEUMONIA)
)
"""How good must partners be? Gain over BYOL against the share of right partners: of an oracle that errs at a given rate,
at two weights, and of the selectors at the same weights, with the shares that they have. All with the warm-up of TracIn's
recipe, so that at its weight the selectors, and the oracle that does not err, are those of the main comparison."""

_COMPARED = ("random_init", "byol", "byol_cosine", "byol_tracin", "byol_oracle")

PLANS = {
    "smoke": Plan(
        "A small comparison: DermaMNIST, seven methods, two seeds. Minutes on two CPU cores.",
        datasets=(Images("dermamnist"),),
        methods=("random_init", "supervised", "byol", "byol_random", "byol_cosine", "byol_tracin", "byol_oracle"),
        seeds=(0, 1),
    ),
    "partners": Plan(
        "The table of selectors: procedural images, the paper's method and plain BYOL, five seeds, pretraining alone. "
        "Five minutes on two CPU cores; then `python -m figures selectors` prints it.",
        datasets=(Images("phantom"),),
        methods=("byol", "byol_tracin"),
        seeds=(0, 1, 2, 3, 4),
        command="pretrain",
    ),
    "medmnist": Plan(
        "The study on MedMNIST: DermaMNIST by lesion and PneumoniaMNIST, every method but imagenet, gmml and "
        "byol_tracin_refined, five seeds, transfer between them and to BreastMNIST; DermaMNIST as published for BYOL with and without partners, three seeds; how good partners "
        "must be; sensitivity to settings that the abstract does not give. Then five more seeds of BYOL with and without "
        "partners. `python -m repro.reproduce plan --scale medmnist` says how long it takes.",
        datasets=(
            Images("dermamnist", BY_LESION, transfer=(_PNEUMONIA, _BREAST)),
            Images("pneumoniamnist", transfer=(_DERMA, _BREAST)),
            Images("dermamnist", methods=_MAIN, seeds=(0, 1, 2)),
        ),
        methods=(*_RIVALS, *_SELECTORS, *_OTHER_BASES),
        seeds=(0, 1, 2, 3, 4),
        ablations=(
            *_HOW_GOOD,
            Ablation(("byol_tracin",), {**_UNKNOWNS, **_MORE}, seeds=(0, 1, 2)),
            Ablation(_COMPARED, _FLOOR, seeds=(0, 1, 2)),
            _WEIGHTS,
        ),
        more_seeds=dict.fromkeys(_MAIN, (5, 6, 7, 8, 9)),
    ),
    "medmnist_protocol": Plan(
        "MedMNIST's supervised experiment, to compare the kit with published numbers: three data sets, three seeds. Half "
        "a day on two CPU cores, most of it DermaMNIST.",
        datasets=(
            Images("breastmnist", {"evaluate.finetune.steps": 400}),
            Images("pneumoniamnist", {"evaluate.finetune.steps": 3600}),
            Images("dermamnist", {"evaluate.finetune.steps": 5400}),
        ),
        methods=("random_init",),
        seeds=(0, 1, 2),
    ),
    "gauntlet": Plan(
        "Which encoder? Five networks from 0.7 to 5.4 million parameters, with random weights and pretrained by BYOL, "
        "frozen and fine-tuned, on three MedMNIST data sets, one seed. Under an hour on two CPU cores; then "
        "`python -m figures gauntlet gauntlet_cost`. Networks of your own: `--set encoder.arch=NAME`; weights of your "
        "own: `--methods imagenet --set encoder.arch=NAME encoder.weights=FILE`.",
        datasets=(_DERMA, _PNEUMONIA, _BREAST),
        methods=("random_init", "byol"),
        seeds=(0,),
        encoders=(
            {},
            {"encoder.arch": "mobilenetv3_small_100"},
            {"encoder.arch": "efficientnet_lite0"},
            {"encoder.arch": "convnext_atto"},
            {"encoder.arch": "vit_tiny_patch16_224", "encoder.patch": 7},
        ),
    ),
    "subset": Plan(
        "The paper's data sets where only a part of their images is available: the main comparison, three seeds. Ten "
        "minutes on one data-centre GPU with sixteen cores.",
        datasets=(
            Images("isic2019", {"data.size": 112, "data.allow_missing": True}),
            Images("chestxray14", {"data.size": 64, "data.allow_missing": True, "pretrain.epochs": 200}),
        ),
        methods=("random_init", "supervised", "byol", "byol_cosine", "byol_tracin", "byol_oracle"),
        seeds=(0, 1, 2),
    ),
    "paper": Plan(
        "The study on the paper's data sets: ISIC 2019 and ChestX-ray14, every method but imagenet, gmml and byol_tracin_refined, five seeds, transfer to "
        "Kermany's X-rays, and what changes if the unknowns of the method change. Days on GPUs.",
        datasets=(Images("isic2019"), Images("chestxray14", transfer=(Images("kermany"),))),
        methods=(*_RIVALS, *_SELECTORS, *_OTHER_BASES),
        seeds=(0, 1, 2, 3, 4),
        ablations=(
            Ablation(("byol_tracin",), {**_UNKNOWNS, "selector.warmup_epochs": (0, 20)}, seeds=(0, 1, 2, 3, 4)),
        ),
    ),
}
