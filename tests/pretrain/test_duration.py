"""How long a pretraining will take is told before it begins."""

import time

import pytest
import torch

from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.pretrain.checkpoint import Checkpoint
from repro.pretrain.duration import seconds_of_pretraining
from repro.pretrain.loop import fitting, pretrain
from repro.progress import time_left

SMALL = {"encoder.width": 8, "heads.hidden": 16, "heads.out": 8, "pretrain.batch_size": 32, "pretrain.warmup_epochs": 0}


def test_the_estimate_is_right_within_a_factor_of_four(tiny: ImageSet, tmp_path):
    config = resolve(["byol"], {**SMALL, "pretrain.epochs": 12})
    training = len(tiny.indices("train"))
    told = seconds_of_pretraining(config, training, torch.device("cpu"))
    began = time.monotonic()
    with Checkpoint(tmp_path).owned() as checkpoint:
        pretrain(tiny, config, torch.device("cpu"), checkpoint, lambda *_: None)
    assert 0.25 < told / (time.monotonic() - began) < 4


def test_the_estimate_grows_with_epochs_and_leaves_the_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    once = seconds_of_pretraining(resolve(["byol"], {**SMALL, "pretrain.epochs": 1}), 1000, torch.device("cpu"))
    often = seconds_of_pretraining(resolve(["byol"], {**SMALL, "pretrain.epochs": 100}), 1000, torch.device("cpu"))
    assert 10 < often / once < 1000
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (119, "119 s"), (120, "2.0 min"), (7300, "2.0 h"), (200_000, "2.3 days")]
)
def test_a_time_is_told_in_units_that_people_read(seconds: float, said: str):
    assert time_left(seconds) == said


def test_a_batch_that_the_training_images_cannot_fill_becomes_half_of_them(tiny: ImageSet, caplog):
    training = len(tiny.indices("train"))
    config = resolve(["byol"], {"pretrain.batch_size": training})
    assert fitting(config, tiny) is config
    config = resolve(["byol"], {"pretrain.batch_size": training + 1})
    fitted = fitting(config, tiny)
    assert fitted["pretrain"] == {**config["pretrain"], "batch_size": training // 2}
    assert f"has only {training} training images: batches of {training // 2} are used" in caplog.text
