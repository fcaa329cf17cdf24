"""Stored encoders: as a torch module, and as files that say what they are."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from pymongo.database import Database
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file

from repro import db, load_encoder, prepared, run, runs
from repro.errors import InputError
from repro.pretrain.encoder import Encoder
from repro.records.encoders import features_of, images_in
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


def test_a_file_of_weights_and_a_folder_of_images_give_the_features_that_the_run_gives(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert at(run.main, "pretrain", "with", "byol", "phantom", "smoke", *QUICK) == 0
    assert at(db.main, "weights", "1", str(tmp_path / "encoder.safetensors")) == 0
    assert "torchvision has no such network. `from repro import load_encoder`" in capsys.readouterr().out
    encoder = load_encoder(tmp_path / "encoder.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        (tmp_path / "images" / "below").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "images" / "below" / f"{number}.png")
    with torch.no_grad():
        scaled = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
        expected = runs.encoder(1)(scaled).numpy()
        assert np.array_equal(encoder(scaled).numpy(), expected)
    for name in ("features.csv", "features.npz"):
        assert at(db.main, "features", "1", str(tmp_path / "images"), str(tmp_path / name)) == 0
    table = pd.read_csv(tmp_path / "features.csv", index_col="path")
    assert list(table.index) == ["below/0.png", "below/1.png", "below/2.png"]
    assert np.allclose(table.to_numpy(), expected, atol=1e-5)
    with np.load(tmp_path / "features.npz") as arrays:
        assert np.allclose(arrays["features"], expected, atol=1e-5)


def test_images_are_prepared_by_their_centre_square_as_pillow_scales_it(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    scaled = Image.fromarray(pixels).resize((28, 28), Image.Resampling.BICUBIC, box=(13, 0, 83, 70))
    expected = (torch.from_numpy(np.asarray(scaled).copy()).permute(2, 0, 1) / 255 - 0.5) / 0.25
    assert torch.allclose(prepared([tmp_path / "x.png"], 28)[0], expected)


def test_what_is_no_file_of_weights_or_no_folder_of_images_is_told(tmp_path: Path):
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(InputError, match="does not say which network it is of; write it again"):
        load_encoder(tmp_path / "plain.safetensors")
    with pytest.raises(InputError, match="is no file of weights"):
        load_encoder(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="no image in it or below it"):
        images_in(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"broken\.png: .*take it out"):
        features_of(Encoder(width=4), [tmp_path / "broken.png"], 28)
