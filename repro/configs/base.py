"""The base settings: every key there is, its default, where the default comes from, and what it means.

The paper's body is not available to us. A value marked [us] is our choice, never the paper's.
"""

from repro.configs.setting import Setting as S

BASE = {
    "seed": S(0, "[us]", "Seed of everything random: initial weights, order, augmentation, label subsets.", low=0, high=2**32 - 1),
    "scale": S("custom", "[us]", "Name of the scale, for tables; set by smoke, medmnist and paper."),
    "deterministic": S(False, "[us]", "On a GPU, use deterministic kernels (slower). A CPU always repeats its bits."),
    "device": S("auto", "[us]", "cpu, cuda, or auto: cuda when there is one.", choices=("auto", "cpu", "cuda")),
    "data": {
        "name": S("dermamnist", "[us]", "Data set. `python -m repro.data list` shows them."),
        "size": S(28, "[us]", "Height and width of the images, in pixels.", low=8, high=1024),
        "split": S("official", "[us]", "official, or lesion: no lesion in two splits (DermaMNIST's own split leaks)."),
        "limit": S(None, "[us]", "At most this many images per split, stratified. None: all.", low=16, optional=True, kind=int),
        "residency": S("auto", "[us]", "Where images lie while training: device, paged (read from disk as needed), or auto: on the device if they fit.",
                       choices=("auto", "device", "paged")),
        "stands_in_for": S(None, "[us]", "Data set these images replace; every caption says so.", optional=True, kind=str),
    },
    "encoder": {
        "arch": S("resnet18", "[us]", "torchvision ResNet.", choices=("resnet18", "resnet50")),
        "stem": S("imagenet", "[us]", "imagenet: 7x7 stride 2 and max-pooling; small: 3x3 stride 1, for images under 64 px.",
                  choices=("imagenet", "small")),
        "width": S(64, "[us]", "Channels of the first stage; 64 is the standard network.", low=4, high=256),
    },
    "heads": {
        "hidden": S(4096, "[BYOL]", "Hidden units of projector and predictor.", low=8),
        "out": S(256, "[BYOL]", "Size of a projection.", low=4),
        "predictor": S(True, "[BYOL]", "False takes BYOL's predictor away: the networks collapse, and the alarm goes off."),
    },
    "augment": {
        "crop": S([0.2, 1.0], "[us]", "Area of the random crop, as a fraction; BYOL's 0.08 loses small lesions.", positive=True, high=1.0, length=2),
        "flip": S(0.5, "[BYOL]", "Probability of a horizontal flip.", low=0.0, high=1.0),
        "jitter": S([0.2, 0.2, 0.1, 0.02], "[us]", "Strength of brightness, contrast, saturation, hue. BYOL: 0.4, 0.4, 0.2, 0.1; in medical images colour tells.", low=0.0, high=1.0, length=4),
        "jitter_prob": S(0.8, "[BYOL]", "Probability of colour jitter.", low=0.0, high=1.0),
        "grey": S(0.0, "[us]", "Probability of dropping colour. BYOL: 0.2; in dermoscopy colour tells.", low=0.0, high=1.0),
        "blur": S([1.0, 0.1], "[BYOL]", "Probability of Gaussian blur, for view 1 and view 2; its width is in proportion to the image.", low=0.0, high=1.0, length=2),
        "solarize": S([0.0, 0.2], "[BYOL]", "Probability of solarisation, for view 1 and view 2.", low=0.0, high=1.0, length=2),
    },
    "method": {
        "name": S("byol", "[us]", "Name in tables; set by the method configs."),
        "objective": S("byol", "[A]", "none: random weights; imagenet: torchvision's; supervised: labelled images only; semixup: labelled and unlabelled at once; byol: with or without partners; simclr, dcl, nnclr.",
                       choices=("none", "imagenet", "supervised", "semixup", "byol", "simclr", "dcl", "nnclr")),
    },
    "selector": {
        "name": S("none", "[A]", "How the additional positive is chosen: none, random, cosine, queue, tracin, oracle, or a file of yours in repro/pretrain/selectors."),
        "partners": S(1, "[A]", "Partners per image; of several the mean loss counts.", low=1),
        "symmetric": S(False, "[us]", "Pull the partner towards the image as well."),
        "weight": S(1.0, "[us]", "lambda: weight of the additional positive's loss.", low=0.0),
        "warmup_epochs": S(0, "[us]", "Epochs with lambda = 0.", low=0),
        "ramp_epochs": S(0, "[us]", "Epochs over which lambda then rises linearly to `weight`.", low=0),
        "queue": S(4096, "[us]", "Images that the memory bank of selector.name=queue keeps.", low=1),
        "measured": S(["tracin_cosine", "tracin_dot", "cosine"], "[us]", "Selectors whose partners every BYOL run measures beside its own."),
    },
    "tracin": {
        "layers": S("last", "[us]", "Parameters whose gradients are compared. last: the predictor's final layer; heads: all of projector and predictor; full: the encoder's convolutions too.",
                    choices=("last", "heads", "full")),
        "views": S(2, "[us]", "2: the gradients of both views' losses, with cross terms; 1: of the first view's prediction alone.", choices=(1, 2)),
        "normalize": S("cosine", "[us]", "dot: K as it is; cosine: K_ij / sqrt(K_ii K_jj), which tames large-gradient hubs.",
                       choices=("dot", "cosine")),
        "exclude_group": S(False, "[us]", "Never pair two images of one patient or lesion."),
        "source": S("online", "[us]", "online: gradients at the weights in training; pretrained: at those that the run tracin.pretraining kept.",
                    choices=("online", "pretrained")),
        "pretraining": S(None, "[us]", "Run id of a BYOL run with pretrain.keep_every; K is summed over all it kept, as in TracInCP.", low=1, optional=True, kind=int),
        "memory_mb": S(512, "[us]", "Memory that one intermediate product of heads or full may take, in MB.", low=1),
    },
    "contrastive": {
        "temperature": S(0.1, "[SimCLR]", "Temperature of simclr, dcl and nnclr.", positive=True),
        "bank": S(4096, "[us]", "Projections that the memory bank of nnclr keeps. NNCLR: 98304, for 1.3 million images.", low=1),
    },
    "semixup": {
        "alpha": S(0.75, "[Semixup]", "Ratios of mixtures are drawn from Beta(alpha, alpha).", positive=True),
        "min_ratio": S(0.55, "[Semixup]", "Least share of an unlabelled image in its own mixture.", low=0.5, high=1.0),
        "in_manifold": S(2.0, "[Semixup]", "Weight of: two views of an image agree.", low=0.0),
        "interpolation": S(4.0, "[Semixup]", "Weight of: a mixture agrees with the mixed logits.", low=0.0),
        "out_of_manifold": S(2.0, "[Semixup]", "Weight of: a mixture agrees with both views of its main image.", low=0.0),
    },
    "pretrain": {
        "epochs": S(200, "[us]", "Passes over the unlabelled training images.", low=1),
        "batch_size": S(256, "[us]", "Images per step; partners are chosen inside a batch.", low=2),
        "optimizer": S("sgd", "[us]", "BYOL used lars with batches of 4096; sgd and adamw suit small ones.", choices=("lars", "sgd", "adamw")),
        "lr": S(0.1, "[us]", "Learning rate at batch size 256; scaled linearly with the batch.", low=0.0),
        "momentum": S(0.9, "[BYOL]", "Momentum of sgd and lars.", low=0.0, high=1.0),
        "weight_decay": S(1e-4, "[us]", "Weight decay; biases and BatchNorm are left out, as in BYOL.", low=0.0),
        "warmup_epochs": S(10, "[BYOL]", "Epochs of linear learning-rate warm-up, then a cosine to 0.", low=0),
        "tau": S(0.99, "[us]", "EMA decay of the target at step 0; rises to 1 along a cosine. BYOL: 0.996 for 10^6 steps.", low=0.0, high=1.0),
        "checkpoint_every": S(10, "[us]", "Epochs between checkpoints.", low=1),
        "keep_every": S(None, "[us]", "Epochs between copies of all networks that are stored with the run, for tracin.source=pretrained of another. None: no copies.", low=1, optional=True, kind=int),
        "precision": S("auto", "[us]", "auto: bf16 autocast on a GPU, float32 on a CPU.", choices=("auto", "float32", "bf16")),
        "compile": S(False, "[us]", "torch.compile the networks (GPU; pays after some minutes)."),
    },
    "evaluate": {
        "pretraining": S(None, "[us]", "Run id whose stored encoder `evaluate` takes. None: random weights (random_init, supervised, semixup).", low=1, optional=True, kind=int),
        "protocols": S(["knn", "linear", "finetune"], "[us]", "Which protocols to run.", choices=("knn", "linear", "finetune")),
        "fractions": S([0.01, 0.1, 0.5, 1.0], "[us]", "Label fractions, each in (0, 1].", positive=True, high=1.0),
        "class_weights": S("balanced", "[us]", "balanced: classes count alike in the linear and fine-tuning losses, as in balanced accuracy; none.",
                           choices=("balanced", "none")),
        "knn": {
            "k": S(20, "[us]", "Neighbours.", low=1),
            "temperature": S(0.07, "[us]", "A neighbour's vote is exp(cosine / temperature).", positive=True),
        },
        "linear": {
            "c": S([0.01, 0.1, 1.0], "[us]", "Inverse L2 strengths tried; the validation split chooses.", positive=True),
        },
        "finetune": {
            "steps": S(1000, "[us]", "Optimiser steps, at every label fraction.", low=1),
            "batch_size": S(128, "[us]", "Images per step.", low=2),
            "lr": S(0.01, "[us]", "Peak learning rate (SGD, cosine to 0).", low=0.0),
            "weight_decay": S(1e-4, "[us]", "Weight decay.", low=0.0),
            "validations": S(10, "[us]", "Times the validation split is read; the best moment gives the model.", low=1),
        },
    },
}  # fmt: skip
