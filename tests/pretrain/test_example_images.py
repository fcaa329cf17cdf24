"""Stored pictures against the images, the views and the scores that they are said to be of."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymongo.database import Database

from repro import run
from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.pretrain import example_images
from repro.pretrain.augment import TwoViews
from repro.pretrain.byol import Partners
from repro.pretrain.diagnostics import PartnerStatistics
from repro.pretrain.encoder import normalized, to_input, to_stored
from repro.pretrain.example_images import partnered, reduced, spread, viewed
from repro.pretrain.selectors import SELECTORS, Batch
from repro.store import find_runs, problems_of, read_artifact
from tests.pretrain.test_loop import train
from tests.test_front_doors import QUICK, at


def seven_classes(tiny: ImageSet) -> ImageSet:
    labels = np.random.default_rng(1).integers(0, 4, 96) * (np.arange(96) % 3 > 0)
    labels[:7] = np.arange(7)
    return replace(tiny, labels=labels, class_names=tuple("abcdefg"))


def places(images: ImageSet, shown: np.ndarray) -> list[int]:
    """Which images of a data set these are; no two of `tiny` are alike."""
    found = [np.flatnonzero((images.images == picture).all(axis=(1, 2, 3))) for picture in shown]
    assert all(len(each) == 1 for each in found)
    return [int(each[0]) for each in found]


def test_stored_images_come_back_from_network_range_unchanged():
    every = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 48, 1).expand(-1, -1, -1, 3)
    assert torch.equal(to_stored(normalized(to_input(every))), every)
    beyond = to_stored(torch.tensor([-3.0, 3.0]).reshape(2, 1, 1, 1).expand(-1, 3, 4, 4))
    assert (beyond[0] == 0).all()
    assert (beyond[1] == 255).all()


def test_views_shown_are_what_the_augmentation_gives_of_the_images_shown(tiny: ImageSet):
    config = resolve(["byol"])
    shown = viewed(tiny, config)
    assert set(places(tiny, shown["original"])) <= set(tiny.indices("train").tolist())
    torch.manual_seed(example_images.SEED)
    floats = TwoViews(28, config["augment"])(torch.from_numpy(shown["original"].transpose(0, 3, 1, 2) / 255).float())
    for name, view in zip(("first", "second"), floats, strict=True):
        assert (shown[name].dtype, shown[name].shape) == (np.uint8, (6, 28, 28, 3))
        wanted = (view * 0.25 + 0.5).clamp(0, 1) * 255
        assert float((torch.from_numpy(shown[name]).permute(0, 3, 1, 2) - wanted).abs().max()) < 0.501
        assert (shown[name] != shown["original"]).any(axis=(1, 2, 3)).all()


def test_every_method_and_seed_shows_the_same_views_of_as_many_classes_as_there_are(tiny: ImageSet):
    images = seven_classes(tiny)
    first = viewed(images, resolve(["byol"]))
    other = viewed(images, resolve(["simclr"], {"seed": 5}))
    assert first.keys() == other.keys()
    assert all(np.array_equal(first[name], other[name]) for name in first)
    assert len(set(first["labels"].tolist())) == 6
    assert first["labels"].tolist() == images.labels[places(images, first["original"])].tolist()


def test_drawing_pictures_leaves_every_stream_as_it_was(tiny: ImageSet):
    torch.manual_seed(7)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    viewed(tiny, resolve(["byol"]))
    partnered(tiny, {"batch": torch.arange(20), "cosine": torch.arange(20).flip(0)})
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpys, np.random.get_state()[1])  # noqa: NPY002


def test_few_grey_images_with_several_labels_are_shown_as_they_are(tiny: ImageSet):
    labels = np.stack([tiny.labels, 1 - tiny.labels, np.arange(96) % 5 == 0], axis=1).astype(np.uint8)
    split = np.where(np.arange(96) < 4, "train", "test")
    few = replace(tiny, images=tiny.images[..., :1], labels=labels, split=split, class_names=("a", "b", "c"))
    shown = viewed(few, resolve(["byol"]))
    assert {name: array.shape for name, array in shown.items()} == {
        "original": (4, 28, 28, 1), "first": (4, 28, 28, 3), "second": (4, 28, 28, 3), "labels": (4, 3)
    }  # fmt: skip
    assert sorted(places(few, shown["original"])) == [0, 1, 2, 3]
    assert np.array_equal(shown["labels"], labels[places(few, shown["original"])])


def test_members_are_spread_over_strata_in_turn():
    stratum = np.array([3, 3, 3, 0, 3, 5, 0, 3])
    assert spread(stratum, 5).tolist() == [0, 3, 5, 1, 6]
    assert spread(stratum, 99).tolist() == [0, 3, 5, 1, 6, 2, 4, 7]
    assert spread(stratum[:0], 5).tolist() == []


@pytest.mark.parametrize("channels", [1, 3])
def test_large_pictures_are_reduced_without_aliasing_and_small_ones_left_alone(channels: int):
    board = (np.indices((192, 192)).sum(axis=0) % 2 * 255).astype(np.uint8)
    shade = np.broadcast_to(np.arange(192, dtype=np.uint8)[:, None], (192, 192))
    large = np.stack([np.repeat(picture[:, :, None], channels, axis=2) for picture in (board, shade)])
    small = reduced(large)
    assert (small.dtype, small.shape) == (np.uint8, (2, 96, 96, channels))
    assert np.ptp(small[0, 4:-4, 4:-4].astype(int)) <= 2  # every second pixel would be all black or all white
    assert abs(float(small[0].mean()) - 127.5) < 2
    means = large[1].reshape(96, 2, 96, 2, channels).mean(axis=(1, 3))
    assert np.abs(small[1] - means)[2:-2].max() <= 1
    assert np.array_equal(reduced(large[:, :96, :96]), large[:, :96, :96])
    assert reduced(large[:0]).shape == (0, 96, 96, channels)


def last_batch(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """What the selectors see, batch by batch."""
    seen: list[Batch] = []
    usual = PartnerStatistics.add

    def kept(self: PartnerStatistics, batch: Batch, step: int) -> Partners | None:
        seen.append(batch)
        return usual(self, batch, step)

    monkeypatch.setattr(PartnerStatistics, "add", kept)
    return seen


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("byol", {}),
        ("byol_tracin", {"selector.partners": 3, "tracin.exclude_group": True}),
        ("byol_queue", {"selector.queue": 40}),
    ],
)
def test_partners_shown_are_the_best_of_the_last_batch_of_the_last_epoch(
    tiny: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, changes: dict[str, Any]
):
    images, seen = seven_classes(tiny), last_batch(monkeypatch)
    result, _ = train(images, tmp_path, method, **changes)
    shown, batch = partnered(images, result.history.choices), seen[-1]
    measured = ["tracin_cosine", "tracin_dot", "cosine"]
    named = {f"{name}/{what}" for name in ("random", *measured) for what in ("images", "labels")}
    assert shown.keys() == {"queries", "labels", *named}

    position = images.indices("train")[batch.members.position.numpy()].tolist()
    classes = images.labels[position]
    queries = places(images, shown["queries"])
    assert len(queries) == 8
    assert shown["labels"].tolist() == images.labels[queries].tolist()
    assert set(shown["labels"].tolist()) == set(classes.tolist())
    firsts = sorted(classes.tolist().index(c) for c in set(classes.tolist()))
    assert queries[: len(firsts)] == [position[place] for place in firsts]
    for name in ("random", *measured):
        partners = places(images, shown[f"{name}/images"])
        assert shown[f"{name}/labels"].tolist() == images.labels[partners].tolist()
        for query, partner in zip(queries, partners, strict=True):
            i = position.index(query)
            others = [
                j
                for j in range(16)
                if j != i and not (changes.get("tracin.exclude_group") and position[j] // 2 == query // 2)
            ]
            assert partner in [position[j] for j in others]
            if name != "random":
                row = SELECTORS[name].scores(batch)[i]
                assert partner == position[max(others, key=lambda j: float(row[j]))], name


def test_images_without_a_partner_are_not_shown(tiny: ImageSet):
    choices = {"batch": torch.arange(6), "cosine": torch.tensor([1, -1, 4, 2, 0, 3]), "random": torch.arange(6).flip(0)}
    shown = partnered(tiny, choices)
    assert sorted(places(tiny, shown["queries"])) == [0, 2, 3, 4, 5]
    pairs = dict(zip(places(tiny, shown["queries"]), places(tiny, shown["cosine/images"]), strict=True))
    assert pairs == {0: 1, 2: 4, 3: 2, 4: 0, 5: 3}
    nobody = partnered(tiny, {**choices, "cosine": torch.full((6,), -1)})
    assert nobody["queries"].shape == nobody["cosine/images"].shape == (0, 28, 28, 3)


def test_methods_without_partners_have_views_alone(tiny: ImageSet, tmp_path: Path):
    assert train(tiny, tmp_path, "simclr")[0].history.choices == {}


def test_a_run_stopped_between_its_last_checkpoint_and_its_record_stores_the_same_bytes(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    words = ["with", "byol_tracin", "phantom", "smoke", *QUICK, "evaluate.protocols=['knn']", "selector.partners=2"]
    assert at(run.main, *words) == 0
    with monkeypatch.context() as patch:
        patch.setattr(example_images, "viewed", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            at(run.main, *words)
    assert at(run.main, *words) == 0
    whole, broken, resumed = find_runs(database)
    assert [r["status"] for r in (whole, broken, resumed)] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert resumed["info"]["timings"]["interruptions"] == 1
    assert resumed["info"]["timings"]["images_per_second"] == 0
    assert problems_of(database, resumed) == []
    names = {artifact["name"] for artifact in whole["artifacts"]}
    assert names >= {"selection.npz", "test_scores.npz", "partners.pictures.npz", "encoder.safetensors"}
    for name in names:
        assert read_artifact(database, whole, name) == read_artifact(database, resumed, name), name
    with np.load(io.BytesIO(read_artifact(database, resumed, "partners.pictures.npz"))) as stored:
        assert stored["tracin_cosine/images"].shape == (8, 28, 28, 3)
