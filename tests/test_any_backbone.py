"""Encoders of torchvision and timm through the whole kit: trained, stored, handed out, executed again, and drawn."""

import hashlib
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from pymongo.database import Database
from safetensors.torch import load_file

from figures.__main__ import main as draw
from repro import db, run
from repro.pretrain.backbones import from_torchvision
from repro.pretrain.backbones.cache import Wanted
from repro.reproduce.verification.verify import IDENTICAL, verify
from repro.store import ENCODER, find_runs
from tests.test_front_doors import QUICK, at, refused

TINY = [*QUICK, "data.limit=32", "pretrain.batch_size=16", "pretrain.epochs=1", "evaluate.fractions=[1.0]",
        "evaluate.finetune.steps=2", "evaluate.protocols=['knn','finetune']"]  # fmt: skip

ENCODERS = {
    "vit": (["encoder.arch=vit_tiny_patch16_224", "encoder.patch=4"], {"img_size": 28, "patch_size": 4}),
    "convnext": (["encoder.arch=convnext_atto"], {"output_stride": 16}),
    "mobilenet": (["encoder.arch=mobilenetv3_small_100"], {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ENCODERS))
def test_an_encoder_of_timms_trains_is_stored_and_loads_in_plain_timm(
    database: Database, tmp_path: Path, capsys, name: str
):
    settings, made_with = ENCODERS[name]
    # The whole encoder's gradients choose the partners.
    assert at(run.main, "with", "byol_tracin", "phantom", *TINY, *settings, "tracin.layers=full") == 0
    (stored,) = find_runs(database)
    assert stored["status"] == "COMPLETED"
    about, arch = stored["info"]["encoder"], settings[0].partition("=")[2]
    peer = timm.create_model(arch, num_classes=0, **made_with)
    assert about["parameters"] == sum(parameter.numel() for parameter in peer.parameters())
    assert about["macs"] > 0
    assert about["made_with"] == {"num_classes": 0, **made_with}
    assert about["tracin"]["parameters"] + sum(about["tracin"]["left_out"].values()) == about["parameters"]
    file = tmp_path / "encoder.safetensors"
    capsys.readouterr()
    assert at(db.main, "weights", str(stored["_id"]), str(file)) == 0
    assert f"keys as in timm.create_model('{arch}', num_classes=0" in capsys.readouterr().out
    peer.load_state_dict(load_file(file))


@pytest.mark.slow
def test_a_run_of_timms_repeats_every_bit_and_begins_with_a_file_of_its_own_kind(
    database: Database, tmp_path: Path, monkeypatch
):
    settings, _ = ENCODERS["mobilenet"]
    assert at(run.main, "pretrain", "with", "byol", "phantom", *TINY, *settings) == 0
    (first,) = find_runs(database)
    file = tmp_path / "encoder.safetensors"
    assert at(db.main, "weights", str(first["_id"]), str(file)) == 0
    assert at(run.main, "with", "imagenet", "phantom", *TINY, *settings, f"encoder.weights={file}") == 0
    (second,) = find_runs(database, command="train")
    source = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert second["info"]["encoder"]["weights"] == source
    assert ENCODER not in {artifact["name"] for artifact in second["artifacts"]}
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert {verdict.verdict for verdict in verify(database, [first["_id"], second["_id"]])} == {IDENTICAL}


@pytest.mark.slow
def test_a_file_put_into_torchs_cache_by_hand_gives_the_row_imagenet(database: Database, tmp_path: Path, monkeypatch):
    """The file is made here and stands where torchvision's would; its name has the hash of its content."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.manual_seed(0)
    made = tmp_path / "made.pth"
    torch.save(torchvision.models.mobilenet_v2().state_dict(), made)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    file = made.rename(tmp_path / "checkpoints" / f"mobilenet_v2-{digest[:8]}.pth")
    wanted = Wanted("torchvision", f"https://nowhere.invalid/{file.name}", file)
    monkeypatch.setattr(from_torchvision, "imagenet", lambda arch: wanted)
    for method in ("random_init", "imagenet"):
        assert at(run.main, "with", method, "phantom", *TINY, "encoder.arch=mobilenet_v2") == 0
    random, imagenet = find_runs(database)
    assert imagenet["info"]["encoder"]["weights"]["sha256"] == digest
    assert random["info"]["study"] == imagenet["info"]["study"]
    draw(["semi_supervised", "--out", str(tmp_path / "results")])
    (table,) = (tmp_path / "results").rglob("semi_supervised.md")
    assert "ImageNet weights" in table.read_text()


@pytest.mark.parametrize("what", ["code", "keys"])
def test_weights_that_cannot_be_are_refused_and_nothing_is_recorded(
    database: Database, tmp_path: Path, capsys, what: str
):
    file = tmp_path / "w.pth"
    torch.save(Path("code") if what == "code" else {"layer.weight": torch.zeros(2)}, file)
    complaint = refused(capsys, run.main, "with", "byol", "phantom", *TINY, f"encoder.weights={file}")
    assert ("holds more than tensors" if what == "code" else "missing conv1.weight") in complaint
    assert find_runs(database) == []
