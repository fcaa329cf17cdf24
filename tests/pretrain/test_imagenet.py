"""torchvision's weights: held to their hash, read as tensors, or refused in one line."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision

from repro.errors import InputError
from repro.pretrain import imagenet
from repro.pretrain.imagenet import imagenet_encoder

STANDARD = {"arch": "resnet18", "stem": "imagenet", "width": 64}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's folder of checkpoints, empty."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def offered_as(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setitem(imagenet.WEIGHTS, "resnet18", SimpleNamespace(url=url))


def test_a_file_with_the_right_hash_gives_an_encoder_that_computes_what_torchvisions_does(cache, monkeypatch):
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    torch.save(theirs.state_dict(), cache / "made.pth")
    digest = hashlib.sha256((cache / "made.pth").read_bytes()).hexdigest()
    (cache / "made.pth").rename(cache / f"resnet18-{digest[:8]}.pth")
    offered_as(monkeypatch, f"https://nowhere.invalid/resnet18-{digest[:8]}.pth")
    encoder = imagenet_encoder(STANDARD).eval()
    theirs.fc = torch.nn.Identity()
    theirs.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(encoder(images), theirs(images))


def test_a_file_that_is_not_theirs_is_refused_before_it_is_read(cache):
    name = imagenet.WEIGHTS["resnet18"].url.rpartition("/")[2]
    (cache / name).write_bytes(b"not weights")
    with pytest.raises(InputError, match="is not torchvision's: its SHA-256 begins with"):
        imagenet_encoder(STANDARD)


def test_without_a_network_the_message_says_where_to_put_the_file(cache, monkeypatch):
    offered_as(monkeypatch, "http://127.0.0.1:9/resnet18-00000000.pth")
    with pytest.raises(InputError, match=r"cannot be had .*put it at .*resnet18-00000000\.pth"):
        imagenet_encoder(STANDARD)
    assert not list(cache.iterdir())


@pytest.mark.parametrize("change", [{"width": 16}, {"stem": "small"}])
def test_there_are_weights_for_the_standard_network_only(change: dict):
    with pytest.raises(InputError, match="imagenet has weights for"):
        imagenet_encoder({**STANDARD, **change})


def test_the_addresses_end_in_a_hash():
    for weights in imagenet.WEIGHTS.values():
        assert len(weights.url.rpartition("-")[2].removesuffix(".pth")) == 8
