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
            "selector": {
                "measured": ["tracin_cosine", "tracin_dot", "cosine", "queue", "random", "oracle"],
                "measure_every": 1,
            },
        },
    ),
    "medmnist": Named(
        "MedMNIST at 28 px in hours on CPU cores. The narrow ResNet-18 and fifteen epochs are what two cores can do for "
        "twelve methods and five seeds; batches of 128 because more and smaller steps left random weights further "
        "behind on the validation split (plain BYOL, one seed that the study does not have); fine-tuning takes small "
        "batches, since few labels are what the claim is about; float32 everywhere, so that CPUs and GPUs make the same "
        "study [us]. `python -m repro.reproduce plan --scale medmnist` says what it costs.",
        {
            "scale": "medmnist",
            **_NARROW,
            "pretrain": {"epochs": 15, "batch_size": 128, "lr": 0.2, "warmup_epochs": 1, "precision": "float32"},
            "evaluate": {"finetune": {"steps": 200, "batch_size": 64, "validations": 10}},
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
            "encoder": {"arch": "resnet18", "stem": "imagenet", "width": 64},
            "heads": {"hidden": 4096, "out": 256},
            "pretrain": {"epochs": 200, "batch_size": 256, "lr": 0.1, "warmup_epochs": 10},
            "evaluate": {"finetune": {"steps": 1000, "validations": 10}},
        },
    ),
}
