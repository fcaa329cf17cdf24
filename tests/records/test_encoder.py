"""Encoders at hand: as a torch module, and as files that say what they are."""

import json
from pathlib import Path

import pytest
import torch
import torchvision
from pymongo.database import Database
from safetensors import safe_open
from safetensors.torch import load, load_file

from repro import db, run, runs
from repro.errors import InputError
from repro.store import ENCODER, find_runs, read_artifact
from repro.weights import weights_file
from tests.test_front_doors import QUICK, at


def test_weights_are_the_same_bytes_whatever_the_order_of_what_is_said_of_them():
    state = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.int64)}
    about = {f"key{i}": i for i in range(20)}
    content = weights_file(state, about)
    for _ in range(5):
        assert weights_file(state, dict(reversed(about.items()))) == content
    assert (8 + int.from_bytes(content[:8], "little")) % 8 == 0
    assert all(torch.equal(load(content)[name], tensor) for name, tensor in state.items())


def test_a_stored_encoder_is_a_torch_module_and_a_file_that_says_what_it_is(database: Database, tmp_path: Path):
    assert at(run.main, "pretrain", "with", "byol", "phantom", "smoke", *QUICK) == 0
    (stored,) = find_runs(database)
    content = read_artifact(database, stored, ENCODER)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    settings = stored["config"]["encoder"]
    said = {key: str(value) for key, value in settings.items() if key != "weights" and value is not None}
    assert {key: header[key] for key in said} == said
    assert (header["size"], header["method"], header["data"]) == ("28", "byol", "phantom")
    assert header["channels"] == "3"
    assert "(x / 255 - 0.5) / 0.25" in header["normalisation"]

    encoder = runs.encoder(1)
    assert not encoder.training
    with torch.no_grad():
        assert encoder(torch.zeros(2, 3, 28, 28)).shape == (2, encoder.features)
    file = tmp_path / "encoder.safetensors"
    assert at(db.main, "weights", "1", str(file)) == 0
    with safe_open(file, "pt") as archive:
        assert archive.metadata()["run"] == "1"
        assert archive.metadata()["arch"] == settings["arch"]
    assert all(torch.equal(encoder.state_dict()[name], tensor) for name, tensor in load_file(file).items())
    if settings["width"] == 64:
        torchvision.models.resnet18().load_state_dict(load_file(file), strict=False)
    assert runs.arrays(1, "views.pictures.npz").keys() >= {"first", "second"}
    with pytest.raises(InputError, match="no run 2"):
        runs.encoder(2)
