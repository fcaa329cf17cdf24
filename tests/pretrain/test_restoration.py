"""Spoilt images and their restoration, against loops over pixels and lightly's contrast."""

import copy

import pytest
import torch
from lightly.loss import NTXentLoss

from repro.errors import InputError
from repro.pretrain.corruption import box, boxes_over, drawn, shuffled
from repro.pretrain.objectives.gmml import patches
from tests.pretrain.networks import OddEncoder, PatchNetwork
from tests.pretrain.test_objectives import BATCH, members, objective_of, views_at

CPU = torch.device("cpu")


def test_boxes_are_boxes_of_the_sizes_asked_for_anywhere():
    torch.manual_seed(0)
    sizes, corners = set(), set()
    for each in box(4000, 7, (2, 4), CPU):
        rows, columns = (each.any(dim=d).nonzero().flatten().tolist() for d in (1, 0))
        height, width = len(rows), len(columns)
        assert int(each.sum()) == height * width
        assert rows == list(range(rows[0], rows[0] + height))
        assert columns == list(range(columns[0], columns[0] + width))
        sizes.add((height, width))
        corners |= {("top", rows[0]), ("bottom", rows[-1]), ("left", columns[0]), ("right", columns[-1])}
    assert sizes == {(h, w) for h in (2, 3, 4) for w in (2, 3, 4)}
    assert {("top", 0), ("bottom", 6), ("left", 0), ("right", 6)} <= corners


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_boxes_cover_the_share_asked_for_and_not_much_more(share: float):
    torch.manual_seed(1)
    covered = boxes_over(200, 8, share, CPU).float().mean(dim=(1, 2))
    assert float(covered.min()) >= share
    assert float(covered.mean()) < share + 0.12


def test_pixels_change_places_within_their_block_and_their_channels_stay_together():
    torch.manual_seed(2)
    images = torch.arange(2 * 3 * 10 * 10.0).reshape(2, 3, 10, 10)
    moved = shuffled(images, 4, 1.0)
    assert torch.equal(moved[:, :, 8:], images[:, :, 8:])
    assert torch.equal(moved[:, :, :, 8:], images[:, :, :, 8:])
    for image, spoilt in zip(images, moved, strict=True):
        for top in (0, 4):
            for left in (0, 4):
                was, now = (x[:, top : top + 4, left : left + 4].flatten(1).T.tolist() for x in (image, spoilt))
                assert sorted(was) == sorted(now)
                assert was != now
    assert torch.equal(shuffled(images, 4, 0.0), images)
    assert not torch.equal(images, moved)


def test_every_process_draws_what_one_alone_would(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(3)
    whole = drawn(6, 2, device=CPU)
    monkeypatch.setattr("repro.pretrain.processes.count", lambda: 2)
    monkeypatch.setattr("repro.pretrain.processes.share", lambda batch: slice(3, 6))
    torch.manual_seed(3)
    assert torch.equal(drawn(3, 2, device=CPU), whole[3:])


def test_the_loss_is_the_distance_and_a_contrast_that_weighs_as_much():
    objective = objective_of("restore", OddEncoder(), data__size=16).double()
    twin, view = copy.deepcopy(objective), views_at(0)[0].double()
    torch.manual_seed(5)
    terms = objective.losses(view, view, members(), 0)
    torch.manual_seed(5)
    one, other = (twin.spoilt(view) for _ in range(2))
    one, other = (twin.model["encoder"](each) for each in (one, other))
    one, other = (twin.model["decoder"](each) for each in (one, other))
    distance = sum(
        abs(float(restored[i, c, y, x] - view[i, c, y, x]))
        for restored in (one, other)
        for i in range(BATCH)
        for c in range(3)
        for y in range(16)
        for x in range(16)
    ) / (2 * BATCH * 3 * 256)
    contrast = float(NTXentLoss(0.05)(one.flatten(1), other.flatten(1)))
    assert float(terms["loss_restore"]) == pytest.approx(distance, rel=1e-9)
    assert float(terms["loss"]) == pytest.approx(distance * (1 + contrast), rel=1e-9)


def test_spoilt_images_keep_pixels_inside_or_outside_of_boxes():
    objective = objective_of("restore", OddEncoder(), data__size=16, restore__shuffle=0.0)
    torch.manual_seed(6)
    view = views_at(0)[0]
    kept = (objective.spoilt(view) == view).all(dim=1).float().mean(dim=(1, 2))
    assert 0 < float(kept.min()) < 0.5 < float(kept.max()) < 1


@pytest.mark.parametrize("size", [28, 64, 96])
def test_what_is_restored_has_the_images_size(size: int):
    objective = objective_of("restore", OddEncoder(), data__size=size)
    assert objective.model["decoder"](torch.randn(2, 6)).shape == (2, 3, size, size)


def gmml(monkeypatch: pytest.MonkeyPatch, **changes: object):
    monkeypatch.setattr("repro.pretrain.trainer.new_encoder", lambda _: PatchNetwork())
    return objective_of("gmml", PatchNetwork(), data__size=16, **changes).double()


def test_patches_are_cut_row_by_row():
    images = torch.randn(2, 3, 8, 8)
    found = patches(images, 4)
    for number, (top, left) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        assert torch.equal(found[:, number], images[:, :, top : top + 4, left : left + 4].flatten(1))


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_replaced_patches_are_noise_or_those_of_one_other_image(noise: float, monkeypatch: pytest.MonkeyPatch):
    objective = gmml(monkeypatch, gmml__noise=noise)
    view = views_at(0)[0].double()
    spoilt, replaced = objective.spoilt(view)
    was, now = patches(view, 4), patches(spoilt, 4)
    assert torch.equal(now[~replaced], was[~replaced])
    for i in range(BATCH):
        sources = {
            j for j in range(BATCH) if all(torch.equal(now[i, t], was[j, t]) for t in replaced[i].nonzero().flatten())
        }
        assert len(sources) == (0 if noise else 1)
        assert i not in sources


def test_the_distance_is_that_of_replaced_patches(monkeypatch: pytest.MonkeyPatch):
    objective = gmml(monkeypatch)
    first, second = views_at(0).double()
    torch.manual_seed(7)
    loss = float(objective.losses(first, second, members(), 0)["loss"])
    torch.manual_seed(7)
    total = []
    for view in (first, second):
        spoilt, replaced = objective.spoilt(view)
        restored = objective.model["decoder"](objective.model["encoder"].tokens(spoilt))
        away = [
            float((restored[i, t] - patches(view, 4)[i, t]).abs().mean())
            for i in range(BATCH)
            for t in range(16)
            if replaced[i, t]
        ]
        total.append(sum(away) / len(away))
    assert loss == pytest.approx(sum(total) / 2, rel=1e-9)


def test_masking_a_resnet_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"method gmml masks patches, and encoder\.arch=resnet18 has no token") as told:
        objective_of("gmml")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("method", ["restore", "gmml"])
def test_restoration_improves_on_images_that_it_sees_again(method: str, monkeypatch: pytest.MonkeyPatch):
    objective = gmml(monkeypatch) if method == "gmml" else objective_of(method, OddEncoder(), data__size=16).double()
    optimizer = torch.optim.AdamW([p for _, p in objective.trained_parameters()], lr=3e-3)
    losses = []
    torch.manual_seed(8)
    for step in range(40):
        terms = objective.losses(*views_at(0).double(), members(), step)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(float(terms["loss"]))
    assert sum(losses[-5:]) < sum(losses[:5])
