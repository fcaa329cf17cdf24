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
        "Who finds the best partners? The narrow ResNet-18 of smoke, pretrained for ten epochs while every selector's "
        "partners are measured [us]. Half a minute a run on two CPU cores.",
        {
            "scale": "partners",
            **_NARROW,
            "pretrain": {"epochs": 10, "lr": 0.2, "warmup_epochs": 1},
            "selector": {"measured": ["tracin_cosine", "tracin_dot", "cosine", "queue", "random", "oracle"]},
        },
    ),
}
