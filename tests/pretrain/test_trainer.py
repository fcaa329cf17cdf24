"""What makes a step fast changes nothing that it computes."""

import pytest
import torch

from repro.configs.resolve import resolve
from repro.errors import InputError
from repro.pretrain.gradients import gram, unfolding
from repro.pretrain.trainer import Trainer
from tests.pretrain.sharing import CPU, images
from tests.pretrain.test_loop import SMALL

STEPS = 3


def trained(layers: str, layout: torch.memory_format) -> tuple[list[dict[str, torch.Tensor]], list[torch.Tensor]]:
    """Losses and every selector's partners of some steps in float64."""
    config = resolve(
        ["byol_tracin"], {**SMALL, "pretrain.warmup_epochs": 0, "tracin.layers": layers, "selector.measure_every": 1}
    )
    trainer = Trainer(images(), config, CPU, ())
    trainer.objective.double().to(memory_format=layout)
    trainer.begin_epoch(3)
    torch.manual_seed(1)
    losses, partners = [], []
    for step in range(STEPS):
        first, second = torch.randn(2, 16, 3, 28, 28, dtype=torch.float64)
        losses.append(trainer.step(first, second, trainer.members(torch.arange(16)), step))
        partners.append(torch.stack([torch.as_tensor(x) for x in trainer.objective.choices().values()]))
    return losses, partners


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["last", "heads", "full"])
def test_neither_layout_nor_cached_pieces_nor_the_way_to_k_change_losses_or_partners(layers: str, monkeypatch):
    losses, partners = trained(layers, torch.channels_last)

    slower, others = trained(layers, torch.contiguous_format), []
    monkeypatch.setattr(gram, "CACHED", 1)
    others.append(trained(layers, torch.channels_last))
    for way in ("gram", "materialise"):
        monkeypatch.setattr(gram, "cheapest", lambda *_, way=way: way)
        others.append(trained(layers, torch.channels_last))
    for other_losses, other_partners in (slower, *others):
        for one, two in zip(losses, other_losses, strict=True):
            assert one.keys() == two.keys()
            for name in one:
                torch.testing.assert_close(one[name], two[name], rtol=1e-9, atol=1e-11, msg=name)
        assert all(torch.equal(a, b) for a, b in zip(partners, other_partners, strict=True))


@pytest.mark.parametrize(
    ("loss", "what"),
    [
        (torch.zeros(4, requires_grad=True), r"a tensor \[4\]"),
        (torch.tensor(1.0), r"a tensor \[\] without a gradient"),
        (1.0, "float"),
        (None, "NoneType"),
    ],
)
def test_a_loss_of_ones_own_that_cannot_be_minimised_is_refused_with_its_file(loss, what: str, monkeypatch):
    trainer = Trainer(images(), resolve(["byol"], SMALL), CPU, ())
    trainer.begin_epoch(0)
    monkeypatch.setattr(trainer.objective, "losses", lambda *_: {"loss": loss, "feature_std": torch.ones(())})
    first, second = torch.randn(2, 16, 3, 28, 28)
    with pytest.raises(InputError, match=rf"the 'loss' that it returns is {what}, .*objectives/byol\.py"):
        trainer.step(first, second, trainer.members(torch.arange(16)), 0)


def test_patches_are_those_of_torchs_unfold():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(4, 5, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2))
    x = torch.randn(6, 4, 9, 8).to(memory_format=torch.channels_last)
    (patches,) = unfolding.Windows(layer, [x]).patches
    unfolded = torch.nn.functional.unfold(x, (3, 2), (1, 2), (1, 2), (2, 1))  # [B, C * 6, T]
    as_ours = unfolded.view(6, 4, 6, -1).permute(0, 3, 2, 1).flatten(2)
    assert torch.equal(patches(slice(1, 4)), as_ours[1:4])
