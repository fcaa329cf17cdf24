"""Methods: what is learned before the labels are seen, and who the additional positive is."""

from repro.configs.setting import Named

PRETRAINING = ("byol", "simclr", "dcl", "nnclr")
"""Objectives of methods that make an encoder before they see a label."""

METHODS = {
    "random_init": Named(
        "No pretraining: the floor under every other row. Costs nothing before evaluation. [us]",
        {"method": {"name": "random_init", "objective": "none"}},
    ),
    "supervised": Named(
        "No pretraining: the network learns from the labelled fraction alone, for as many batches as hold the images "
        "of pretraining and fine-tuning together, so that nobody can call it starved. Fine-tune protocol only. [us]",
        {
            "method": {"name": "supervised", "objective": "supervised"},
            "evaluate": {"protocols": ["finetune"]},
        },
    ),
    "semixup": Named(
        "No pretraining: the network learns from the labelled fraction and, by mixtures and consistency, from all "
        "training images without their labels (Nguyen et al. 2020). It stands where fine-tuning does, with as many "
        "batches, labelled and unlabelled, as hold the images of pretraining and fine-tuning together; a step costs four "
        "passes of the network. Weights and ratios are those of its public code [Semixup]; several labels per "
        "image, optimiser and augmentation are [us].",
        {
            "method": {"name": "semixup", "objective": "semixup"},
            "evaluate": {"protocols": ["finetune"]},
        },
    ),
    "imagenet": Named(
        "No pretraining here: torchvision's ImageNet weights, for the encoders that it has (width 64, stem imagenet). "
        "Downloaded once into torch's cache (45 MB), or put there by hand. [us]",
        {"method": {"name": "imagenet", "objective": "imagenet"}},
    ),
    "simclr": Named(
        "SimCLR: two views of one image against all other images of the batch (NT-Xent). Same encoder, heads, views, "
        "schedule and budget as byol; about a quarter cheaper, since there is no target network to run. [SimCLR]",
        {"method": {"name": "simclr", "objective": "simclr"}},
    ),
    "dcl": Named(
        "SimCLR with the positive pair left out of the denominator (decoupled contrastive learning, Yeh et al. 2022), "
        "which suits small batches. Costs as much as simclr. [us]",
        {"method": {"name": "dcl", "objective": "dcl"}},
    ),
    "nnclr": Named(
        "NNCLR: the positive is the nearest image in a memory bank (Dwibedi et al. 2021), with byol's heads. Costs as "
        "much as simclr. [us]",
        {"method": {"name": "nnclr", "objective": "nnclr"}},
    ),
    "byol": Named(
        "BYOL: two views of one image, no additional positive. The base of the paper [A], [BYOL].",
        {"method": {"name": "byol"}, "selector": {"name": "none"}},
    ),
    "byol_random": Named(
        "BYOL and a random other image of the batch: what an additional positive does when it is not chosen. "
        "Costs as much as byol. [us]",
        {"method": {"name": "byol_random"}, "selector": {"name": "random"}},
    ),
    "byol_cosine": Named(
        "BYOL and the other image whose target projection is nearest: the obvious rival of TracIn. "
        "Costs as much as byol. [us]",
        {"method": {"name": "byol_cosine"}, "selector": {"name": "cosine"}},
    ),
    "byol_queue": Named(
        "BYOL and the image of a memory bank whose target projection is nearest, as in NNCLR: more to choose from than "
        "a batch. Costs as much as byol. [us]",
        {"method": {"name": "byol_queue"}, "selector": {"name": "queue"}},
    ),
    "byol_tracin": Named(
        "BYOL and the other image with the highest pairwise TracIn score: the paper's method [A], [TracIn]. "
        "Which parameters and which score the paper used is unknown: tracin.layers and tracin.normalize are [us]. "
        "With tracin.layers=last no extra backward pass.",
        {"method": {"name": "byol_tracin"}, "selector": {"name": "tracin"}},
    ),
    "byol_oracle": Named(
        "BYOL and a random other image of the same label. It uses the labels: an upper bound, not a method. [us]",
        {"method": {"name": "byol_oracle"}, "selector": {"name": "oracle"}},
    ),
}
