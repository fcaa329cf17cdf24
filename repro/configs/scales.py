"""Scales: how much of everything. Every method gets the same budget."""

from repro.configs.setting import Named

SCALES = {
    "smoke": Named(
        "The whole study in minutes on two CPU cores: a narrow ResNet-18 and a few epochs [us]. It shows that "
        "everything works and what the tables look like; it is far too short to rank methods.",
        {
            "scale": "smoke",
            "encoder": {"arch": "resnet18", "stem": "imagenet", "width": 16},
            "heads": {"hidden": 512, "out": 128},
            "pretrain": {"epochs": 3, "lr": 0.2, "warmup_epochs": 1, "checkpoint_every": 1},
            "evaluate": {"linear": {"c": [0.1]}, "finetune": {"steps": 50, "batch_size": 128, "validations": 5}},
        },
    ),
}
