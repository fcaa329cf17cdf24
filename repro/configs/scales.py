"""Scales: how much of everything. Every method gets the same budget."""

from repro.configs.setting import Named

_NARROW = {
    "encoder": {"arch": "resnet18", "stem": "imagenet", "width": 16},
    "heads": {"hidden": 512, "out": 128},
}

SCALES = {
    "smoke": Named(
        "The whole study in minutes on two CPU cores: a narrow ResNet-18 and a few epochs [us]. It shows that "
        "everything works and what the tables look like; it is far too short to rank methods.",
        {
            "scale": "smoke",
            **_NARROW,
            "pretrain": {"epochs": 3, "lr": 0.2, "warmup_epochs": 1, "checkpoint_every": 1},
            "evaluate": {"linear": {"c": [0.1]}, "finetune": {"steps": 50, "batch_size": 128, "validations": 5}},
        },
    ),
    "partners": Named(
        "Which selector finds the best partners? The narrow ResNet-18 of smoke, pretrained for ten epochs while every selector's "
        "partners are measured [us]. Half a minute a run on two CPU cores.",
        {
            "scale": "partners",
            **_NARROW,
            "pretrain": {"epochs": 10, "lr": 0.2, "warmup_epochs": 1},
            "selector": {
                "measured": ["tracin_cosine", "tracin_dot", "cosine", "queue", "random", "oracle"],
                "measure_every": 1,
            },
        },
    ),
    "medmnist": Named(
        "MedMNIST at 28 px on CPU cores: a narrow ResNet-18 whose 3x3 stem with stride 2 keeps more of a small image than "
        "the 7x7 stem, forty epochs, batches of 128, LARS. Views change colours little and invert none, since they carry "
        "the diagnosis, and BYOL's blur is left out, since at 28 px its sigma is at most a quarter of a pixel. Chosen on "
        "validation images with a seed outside the study, until BYOL learned: a predictor ten times as fast as the other "
        "layers, and a target that is replaced 300 times; how small crops are depends on the data set. "
        "`python -m repro.reproduce tune` chooses each method's own recipe. Fine-tuning takes small batches, since few labels "
        "are what the claim is about; float32 everywhere, so that CPUs and GPUs make the same study [us]. `python -m repro.reproduce plan --scale medmnist` says what it costs.",
        {
            "scale": "medmnist",
            "encoder": {"arch": "resnet18", "stem": "half", "width": 16},
            "heads": {"hidden": 512, "out": 128},
            "augment": {"jitter": [0.1, 0.1, 0.05, 0.0], "blur": [0.0, 0.0], "solarize": [0.0, 0.0]},
            "pretrain": {
                "epochs": 40,
                "batch_size": 128,
                "optimizer": "lars",
                "lr": 4.0,
                "predictor_lr": 10.0,
                "weight_decay": 1e-5,
                "tau": None,
                "renewals": 300.0,
                "warmup_epochs": 5,
                "precision": "float32",
            },
            "evaluate": {
                "fractions": [0.01, 0.1, 1.0],
                "finetune": {"steps": 1000, "batch_size": 32, "optimizer": "adam", "lr": 0.001, "validations": 10},
            },
        },
    ),
    "medmnist_protocol": Named(
        "MedMNIST's own supervised experiment, to compare the kit with published numbers: ResNet-18 with a 3x3 stem at "
        "28 px from random weights, Adam at 0.001 divided by 10 at half and three quarters of 100 epochs, batches of 128, "
        "no augmentation, no class weights, the best epoch by validation AUC (Yang et al. 2023 and their code). Steps "
        "suit PneumoniaMNIST; the plan sets them for each data set. An hour or more on a CPU, 12 minutes on BreastMNIST. "
        "Use it with random_init. [us]",
        {
            "scale": "medmnist_protocol",
            "encoder": {"arch": "resnet18", "stem": "small", "width": 64},
            "evaluate": {
                "protocols": ["finetune"],
                "fractions": [1.0],
                "class_weights": "none",
                "finetune": {
                    "steps": 3600,
                    "batch_size": 128,
                    "optimizer": "adam",
                    "lr": 0.001,
                    "weight_decay": 0.0,
                    "schedule": "steps",
                    "augment": False,
                    "choose_by": "auc",
                    "validations": 100,
                },
            },
        },
    ),
    "gauntlet": Named(
        "A comparison of encoders of any kind at 28 px: five epochs on at most 2,000 images, and AdamW for all, since "
        "ViTs and ConvNeXts learn little with SGD. The narrow ResNet-18 stands for small networks; encoder.arch names "
        "others. Too short to rank methods [us].",
        {
            "scale": "gauntlet",
            "data": {"limit": 2000},
            "encoder": {"arch": "resnet18", "stem": "half", "width": 16},
            "heads": {"hidden": 512, "out": 128},
            "selector": {"measured": ["cosine"]},
            "pretrain": {
                "epochs": 5,
                "batch_size": 128,
                "optimizer": "adamw",
                "lr": 0.002,
                "warmup_epochs": 1,
                "precision": "float32",
            },
            "evaluate": {
                "protocols": ["linear", "finetune"],
                "fractions": [0.1, 1.0],
                "linear": {"c": [0.1]},
                "finetune": {"steps": 100, "batch_size": 64, "optimizer": "adam", "lr": 0.001, "validations": 5},
            },
        },
    ),
    "subset": Named(
        "The paper's data sets, as many of their images as are there, in ten minutes of one data-centre GPU: ResNet-18 at "
        "half width, ISIC at 112 px for fifty epochs, ChestX-ray14 at 64 px for two hundred. Chosen by time alone, before "
        "any score was seen [us].",
        {
            "scale": "subset",
            "encoder": {"arch": "resnet18", "stem": "imagenet", "width": 32},
            "heads": {"hidden": 1024, "out": 256},
            "selector": {"measured": ["tracin_cosine", "cosine"]},
            "pretrain": {"epochs": 50, "lr": 0.2, "warmup_epochs": 5},
            "evaluate": {"finetune": {"steps": 200, "validations": 10}},
        },
    ),
    "paper": Named(
        "The paper's data sets at 128 px: ResNet-18 at full width, 200 epochs with batches of 256, 1,000 steps of "
        "fine-tuning. The paper's own network, image size and schedule are unknown; all of these are [us]. A GPU is "
        "needed.",
        {
            "scale": "paper",
            "threads": 4,
            "encoder": {"arch": "resnet18", "stem": "imagenet", "width": 64},
            "heads": {"hidden": 4096, "out": 256},
            "pretrain": {"epochs": 200, "batch_size": 256, "lr": 0.1, "warmup_epochs": 10},
            "evaluate": {"finetune": {"steps": 1000, "validations": 10}},
        },
    ),
}
