"""Methods: how the encoder is pretrained, and how the additional positive is selected."""

from repro.configs.setting import Named

WITHOUT_PRETRAINING = ("none", "imagenet", "supervised", "semixup", "fixmatch")
"""Objectives of methods that make no encoder before they see a label; every other one is pretraining's."""

METHODS = {
    "random_init": Named(
        "No pretraining: random weights, the lower baseline. Costs nothing before evaluation. [us]",
        {"method": {"name": "random_init", "objective": "none"}},
    ),
    "supervised": Named(
        "No pretraining: the network learns from the labelled fraction alone, for as many batches as hold the images "
        "of pretraining and fine-tuning together, so that the comparison is fair. Fine-tune protocol only. [us]",
        {
            "method": {"name": "supervised", "objective": "supervised"},
            "evaluate": {"protocols": ["finetune"]},
        },
    ),
    "semixup": Named(
        "No pretraining: the network learns from the labelled fraction and, by mixtures and consistency, from all "
        "training images without their labels (Nguyen et al. 2020). It takes the place of fine-tuning, with as many "
        "batches, labelled and unlabelled, as hold the images of pretraining and fine-tuning together; a step costs four "
        "passes of the network. Weights and ratios are those of its public code [Semixup]; several labels per "
        "image, optimiser and augmentation are [us].",
        {
            "method": {"name": "semixup", "objective": "semixup"},
            "evaluate": {"protocols": ["finetune"]},
        },
    ),
    "fixmatch": Named(
        "No pretraining: the network learns from the labelled fraction and from its own confident answers to weakly "
        "augmented training images, which must hold for a strongly augmented view too [FixMatch]. It takes the place of "
        "fine-tuning, with as many batches, labelled and unlabelled, as hold the images of pretraining and "
        "fine-tuning together. Strong views are those of pretraining; no average of weights [us].",
        {"method": {"name": "fixmatch", "objective": "fixmatch"}, "evaluate": {"protocols": ["finetune"]}},
    ),
    "fixmatch_paths": Named(
        "FixMatch with three strong views of every image, all of which must agree with the weak one: the idea of "
        "multi-path consistency, with one network. A step costs half as much again as fixmatch's. [us]",
        {
            "method": {"name": "fixmatch_paths", "objective": "fixmatch"},
            "fixmatch": {"paths": 3},
            "evaluate": {"protocols": ["finetune"]},
        },
    ),
    "imagenet": Named(
        "No pretraining here: the ImageNet weights that torchvision or timm has for the encoder (a ResNet: width 64, stem "
        "imagenet), downloaded once into the library's cache or put there by hand; or weights of your own, "
        "encoder.weights=FILE. [us]",
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
    "dcl_nn": Named(
        "Decoupled contrastive learning with NNCLR's positives. Costs as much as nnclr. [us]",
        {"method": {"name": "dcl_nn", "objective": "dcl_nn"}},
    ),
    "moco": Named(
        "MoCo v2: queries against a queue of keys that a slowly moving network makes [MoCo]; both directions, and as many "
        "keys as suit some thousand images [us]. Costs as much as byol.",
        {"method": {"name": "moco", "objective": "moco"}, "contrastive": {"temperature": 0.2}},
    ),
    "simsiam": Named(
        "SimSiam: BYOL without a target network, with a projector of three layers and a predictor with a bottleneck "
        "[SimSiam]. About a quarter cheaper than byol.",
        {"method": {"name": "simsiam", "objective": "simsiam"}},
    ),
    "barlow_twins": Named(
        "Barlow Twins: the cross-correlation between two views' projections is pulled towards the identity [Barlow]; the "
        "projector is as wide as heads.hidden [us]. About a quarter cheaper than byol.",
        {"method": {"name": "barlow_twins", "objective": "barlow_twins"}},
    ),
    "vicreg": Named(
        "VICReg: two views agree, every coordinate varies, and no two are correlated [VICReg]; the projector is as wide as "
        "heads.hidden [us]. About a quarter cheaper than byol.",
        {"method": {"name": "vicreg", "objective": "vicreg"}},
    ),
    "swav": Named(
        "SwAV: each view predicts the other's assignment to prototypes, balanced over the batch [SwAV]; two views, no "
        "queue, 64 prototypes [us]. About a quarter cheaper than byol.",
        {"method": {"name": "swav", "objective": "swav"}},
    ),
    "dino": Named(
        "DINO: a student agrees with a slow teacher's centred and sharpened distribution [DINO]; two views, 256 "
        "prototypes, the optimiser of all methods [us]. Costs as much as byol.",
        {"method": {"name": "dino", "objective": "dino"}},
    ),
    "restore": Named(
        "Restoration: boxes in-painted or out-painted and pixels shuffled, restored from the encoder's features by a light "
        "decoder, with a contrast between two restorations that weighs as much as they are off [MONAI]. Sizes of boxes and "
        "decoder are [us]. Costs about as much as simclr.",
        {"method": {"name": "restore", "objective": "restore"}},
    ),
    "gmml": Named(
        "Group masked model learning: groups of patches replaced by noise or by another image, restored from a ViT's "
        "tokens [GMML]; half of the patches, without its cross-entropy over images [us]. Only for encoders with tokens.",
        {"method": {"name": "gmml", "objective": "gmml"}},
    ),
    "byol": Named(
        "BYOL: two views of one image, no additional positive. The base of the paper [A], [BYOL].",
        {"method": {"name": "byol"}, "selector": {"name": "none"}},
    ),
    "byol_random": Named(
        "BYOL and a random other image of the batch: a control for the choice of partner. Costs as much as byol. [us]",
        {"method": {"name": "byol_random"}, "selector": {"name": "random"}},
    ),
    "byol_cosine": Named(
        "BYOL and the other image whose target projection is nearest: the simplest alternative to TracIn. "
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
    "byol_tracin_refined": Named(
        "BYOL and TracIn's partners in the variant that is best on validation images: mutual or confident ones only, from "
        "a bank of gradients, other layers, a later start; or none at all, if plain BYOL is best. Candidates: "
        "repro/configs/grids.py; until `python -m repro.reproduce tune` has chosen, it is byol_tracin. [us]",
        {"method": {"name": "byol_tracin_refined"}, "selector": {"name": "tracin"}},
    ),
    "byol_oracle": Named(
        "BYOL and a random other image of the same label. It uses labels: an upper bound, no fair competitor. [us]",
        {"method": {"name": "byol_oracle"}, "selector": {"name": "oracle"}},
    ),
    "simsiam_tracin": Named(
        "SimSiam and the other image with the highest pairwise TracIn score, as in byol_tracin: does the idea help another base? "
        "Costs as much as simsiam. [us]",
        {"method": {"name": "simsiam_tracin", "objective": "simsiam"}, "selector": {"name": "tracin"}},
    ),
    "simclr_tracin": Named(
        "SimCLR with the image of the highest pairwise TracIn score as one more positive in its numerator: is the idea "
        "BYOL's alone? Costs as much as simclr. [us]",
        {"method": {"name": "simclr_tracin", "objective": "simclr"}, "selector": {"name": "tracin"}},
    ),
}
