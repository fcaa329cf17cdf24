"""What the benchmarks train does train, ours and the peer's."""

import pytest
import torch

from repro.bench.lightly_recipe import Recipe
from repro.bench.selector import plain_step
from repro.bench.workload import DEVICE, Workload
from repro.pretrain.byol import image_losses
from repro.pretrain.trainer import new_encoder


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


def test_a_step_with_partners_whose_loss_has_no_weight_is_the_plain_step_it_is_compared_with():
    settings = {"selector.weight": 0.0, "pretrain.weight_decay": 0.0}
    ours, plain = (Workload(method, 28, settings, batch=16) for method in ("byol_tracin", "byol"))
    plain.first, plain.second = ours.first, ours.second
    assert torch.equal(weights(ours.trainer.objective), weights(plain.trainer.objective))
    before = weights(ours.trainer.encoder)
    for work in (ours, plain):
        work.trainer.objective.model.double()
        work.first, work.second = work.first.double(), work.second.double()
    ours.step()
    groups = (work.trainer.optimizer.param_groups for work in (plain, ours))
    for own, theirs in zip(*groups, strict=True):
        own["lr"] = theirs["lr"]
    plain_step(plain)
    torch.testing.assert_close(weights(ours.trainer.encoder), weights(plain.trainer.encoder), rtol=1e-9, atol=1e-12)
    assert not torch.equal(weights(ours.trainer.encoder), before.double())


@pytest.mark.slow
def test_the_recipe_learns_and_its_target_follows():
    work = Workload("byol_tracin", 28, {"pretrain.lr": 0.05}, batch=32, steps=4)
    recipe = Recipe(work.images.images, new_encoder(work.config), work.config, DEVICE)
    assert len(recipe.loader) == 4
    first, second = next(iter(recipe.loader))
    assert first.shape == second.shape == (32, 3, 28, 28)
    started = [weights(network) for network in (recipe.backbone, recipe.predictor, recipe.target)]
    for _ in range(2):
        recipe.epoch()
    for network, before in zip((recipe.backbone, recipe.predictor, recipe.target), started, strict=True):
        assert weights(network).isfinite().all()
        assert not torch.equal(weights(network), before)


def test_an_epoch_trains_on_every_batch():
    work = Workload("byol_tracin", 28, batch=16, steps=3)
    before = weights(work.trainer.encoder)
    work.epoch()
    assert len(work.trainer.objective.partners.by_batch()["chance"]) == 3
    assert not torch.equal(weights(work.trainer.encoder), before)
    assert image_losses(work.trainer.objective.model(work.first, work.second)).isfinite().all()
