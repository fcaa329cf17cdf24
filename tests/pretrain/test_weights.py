"""Weights from outside: held to their hash, read as tensors only, and fitting key by key, or refused in one line."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from repro.configs.identity import digest, identity
from repro.configs.resolve import resolve
from repro.errors import InputError
from repro.pretrain import backbones
from repro.pretrain.backbones.cache import Wanted
from repro.pretrain.encoder import Encoder
from repro.pretrain.weights import load_into, read, started

STANDARD = {"arch": "resnet18", "stem": "imagenet", "width": 64, "patch": None, "weights": "imagenet"}
NARROW = {"arch": "resnet18", "stem": "small", "width": 4, "patch": None}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The libraries' folder of weights, empty."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def config(**changes: object) -> dict:
    """The row of weights from elsewhere, on images of 64 px."""
    return resolve(["imagenet"], {"data.size": 64, **{f"encoder.{key}": value for key, value in changes.items()}})


def published(monkeypatch: pytest.MonkeyPatch, url: str, cache: Path) -> None:
    wanted = Wanted("torchvision", url, cache / url.rpartition("/")[2])
    monkeypatch.setattr(backbones, "imagenet", lambda arch: wanted)


def narrow(**changes: object) -> Encoder:
    torch.manual_seed(1)
    return Encoder(**{**NARROW, **changes})


def test_a_file_with_the_right_hash_gives_an_encoder_that_computes_what_torchvisions_does(cache, monkeypatch):
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    torch.save(theirs.state_dict(), cache / "made.pth")
    digest = hashlib.sha256((cache / "made.pth").read_bytes()).hexdigest()
    (cache / "made.pth").rename(cache / f"resnet18-{digest[:8]}.pth")
    published(monkeypatch, f"https://nowhere.invalid/resnet18-{digest[:8]}.pth", cache)
    encoder, source = started(config())
    assert source is not None
    assert (source.file, source.sha256) == (f"resnet18-{digest[:8]}.pth", digest)
    theirs.fc = torch.nn.Identity()
    theirs.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(encoder.eval()(images), theirs(images))


def test_a_file_that_is_not_theirs_is_refused_before_it_is_read(cache):
    backbones.imagenet("resnet18").file.write_bytes(b"not weights")
    with pytest.raises(InputError, match="is not torchvision's: its SHA-256 begins with"):
        started(config())


@pytest.mark.parametrize("arch", ["resnet18", "efficientnet_lite0"])
def test_without_a_network_the_message_says_where_to_put_the_file(arch: str, cache, monkeypatch):
    wanted = backbones.imagenet(arch)
    unreached = replace(wanted, url="http://127.0.0.1:9/weights")
    monkeypatch.setattr(backbones, "imagenet", lambda arch: unreached)
    with pytest.raises(InputError) as error:
        started(config(arch=arch))
    said = str(error.value)
    assert f"put it at {wanted.file}, " in said
    assert said.endswith("or give another file: encoder.weights=FILE")
    assert wanted.file.parent == cache
    assert not list(cache.iterdir())


@pytest.mark.parametrize("change", [{"width": 16}, {"stem": "small"}, {"stem": "half"}])
def test_there_are_weights_for_the_standard_network_only(change: dict):
    with pytest.raises(InputError, match="imagenet has weights for"):
        load_into(Encoder("resnet18", width=4), {**STANDARD, **change})


def test_torchvisions_addresses_end_in_a_hash_and_are_of_the_classic_recipe():
    for arch in ("resnet18", "resnet50", "mobilenet_v2"):
        weights = torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"]
        wanted = backbones.imagenet(arch)
        assert wanted.url == weights.url
        assert len(wanted.url.rpartition("-")[2].removesuffix(".pth")) == 8


def test_timms_own_weights_are_looked_for_in_the_hubs_cache_and_in_torchs(cache, tmp_path, monkeypatch):
    import huggingface_hub

    named = cache / "efficientnet_lite0_ra-37913777.pth"
    assert backbones.imagenet("efficientnet_lite0").file == cache / "efficientnet_lite0.ra_in1k.safetensors"
    kept = tmp_path / "model.safetensors"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, name: str(kept))
    assert backbones.imagenet("efficientnet_lite0").file == kept
    named.write_bytes(b"put there by hand")
    assert backbones.imagenet("efficientnet_lite0").file == named


@pytest.mark.parametrize("wrapped", ["plain", "in state_dict", "of several GPUs", "safetensors"])
def test_a_file_of_weights_gives_exactly_its_tensors(tmp_path: Path, wrapped: str):
    theirs = narrow()
    state = {key: value.contiguous() for key, value in theirs.state_dict().items()}
    file = tmp_path / ("w.safetensors" if wrapped == "safetensors" else "w.pth")
    match wrapped:
        case "safetensors":
            save_file(state, file)
        case "in state_dict":
            torch.save({"epoch": 3, "state_dict": {**state, "fc.weight": torch.zeros(2, 32)}}, file)
        case "of several GPUs":
            torch.save({f"module.{key}": value for key, value in state.items()}, file)
        case _:
            torch.save(state, file)
    ours = Encoder(**NARROW)
    assert not torch.equal(ours.state_dict()["conv1.weight"], state["conv1.weight"])
    source = load_into(ours, {**NARROW, "weights": str(file)})
    assert source is not None
    assert source.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for key, value in ours.state_dict().items():
        assert torch.equal(value, state[key]), key


class Trap:
    """An object whose unpickling leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (os.system, (f"touch {self.mark}",))


def test_a_pickle_with_code_in_it_is_refused_and_the_code_does_not_run(tmp_path: Path):
    mark = tmp_path / "ran"
    torch.save({"conv1.weight": Trap(mark)}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match="holds more than tensors") as error:
        read(tmp_path / "bad.pth")
    assert "\n" not in str(error.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [({"a": 1}, "it must map names to tensors"), ([torch.zeros(2)], "it must map names to tensors"), ({}, "must map")],
)
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, content: object, complaint: str):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InputError, match=complaint):
        read(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"PK\x03\x04 cut off", bytes(range(128, 192))], ids=["empty", "short", "zip", "noise"]
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_do_not_fit_are_refused_with_the_keys(tmp_path: Path):
    state = {key: value.contiguous() for key, value in narrow().state_dict().items()}
    del state["layer1.0.conv1.weight"]
    state["layer9.weight"] = torch.zeros(1)
    state["bn1.weight"] = torch.zeros(7)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(InputError) as error:
        load_into(Encoder(**NARROW), {**NARROW, "weights": str(tmp_path / "w.safetensors")})
    told = str(error.value)
    assert "does not fit encoder.arch=resnet18: missing layer1.0.conv1.weight; unknown layer9.weight; " in told
    assert "of another shape: bn1.weight is 7 in the file and 4 in the encoder" in told


def test_weights_of_another_network_name_a_few_keys_and_count_the_rest(tmp_path: Path):
    torch.save(torchvision.models.mobilenet_v2().state_dict(), tmp_path / "other.pth")
    settings = {"arch": "vit_tiny_patch16_224", "patch": 4, "stem": "imagenet", "width": 64}
    with pytest.raises(
        InputError, match=r"missing cls_token, pos_embed, patch_embed.proj.weight and \d+ more; unknown"
    ):
        load_into(Encoder(**settings, size=28), {**settings, "weights": str(tmp_path / "other.pth")})


def test_positions_and_patches_of_a_vit_are_resized_as_timm_does(tmp_path: Path):
    torch.manual_seed(0)
    large = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=64)
    torch.save(large.state_dict(), tmp_path / "large.pth")
    settings = {"arch": "vit_tiny_patch16_224", "patch": 4, "stem": "imagenet", "width": 64}
    ours = Encoder(**settings, size=28)
    load_into(ours, {**settings, "weights": str(tmp_path / "large.pth")})
    overlay = {"file": str(tmp_path / "large.pth"), "custom_load": False}
    theirs = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=0,
        img_size=28,
        patch_size=4,
        pretrained=True,
        pretrained_cfg_overlay=overlay,
    )
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, rtol=0, atol=0)


def test_random_weights_take_none_from_elsewhere():
    with pytest.raises(InputError, match="random_init is the row of random weights"):
        started(resolve(["random_init"], {"encoder.weights": "imagenet"}))


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(InputError, match=r"there is no such file; it takes None, imagenet, or a file"):
        started(config(weights=str(tmp_path / "none.pth")))


def test_the_content_of_a_file_counts_for_the_hash_of_a_run_and_not_its_path(tmp_path: Path):
    files = [tmp_path / name for name in ("a.pth", "b.pth", "c.pth")]
    for file, content in zip(files, (b"one", b"one", b"two"), strict=True):
        file.write_bytes(content)
    a, b, c = (resolve(["byol"], {"encoder.weights": str(file)}) for file in files)
    assert digest(a) == digest(b) != digest(c)
    files[0].write_bytes(b"two")
    os.utime(files[0], (1, 1))
    assert digest(a) == digest(c)
    plain = resolve(["byol"])
    assert len({identity(config, "train")["study"] for config in (a, b, c, plain)}) == 1
    assert identity(a, "train")["series"] != identity(plain, "train")["series"]


def test_runs_without_the_newer_settings_keep_their_hashes():
    config = resolve(["byol"])
    older = {**config, "encoder": {key: config["encoder"][key] for key in ("arch", "stem", "width")}}
    assert digest(config) == digest(older)
