"""Two processes that train together do what one does: the same losses, partners, statistics and weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from repro.configs.resolve import resolve
from repro.errors import InputError
from repro.pretrain import processes
from repro.pretrain.loop import fits
from tests.pretrain import sharing
from tests.pretrain.sharing import CPU, trained, write
from tests.pretrain.test_loop import SMALL

ALL = {
    "selector.measured": ["tracin_cosine", "tracin_dot", "cosine", "random", "oracle"],
    "selector.measure_every": 1,
}
# Name -> (method, settings, whether in float64: in float32 rounding grows from step to step).
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "last": ("byol_tracin", ALL, True),
    "heads": ("byol_tracin", {"tracin.layers": "heads", "selector.partners": 2, "selector.symmetric": True}, True),
    "full": ("byol_tracin", {"tracin.layers": "full"}, True),
    "random": ("byol_random", {"pretrain.optimizer": "lars"}, True),
    "float32": ("byol_tracin", {"pretrain.epochs": 1}, False),
    "queue": ("byol_queue", {"selector.queue": 40}, True),
    "bank of gradients": (
        "byol_tracin",
        {"selector.name": "tracin_bank", "selector.queue": 40, "selector.confidence": 0.5},
        True,
    ),
    "errors": ("byol_oracle", {"selector.error": 0.5, "selector.mutual": True}, True),
    "nnclr": ("nnclr", {"contrastive.bank": 40}, True),
    "simclr": ("simclr", {}, True),
    "dcl": ("dcl", {"data.residency": "paged"}, True),
    "moco": ("moco", {"moco.queue": 40}, True),
    "simsiam": ("simsiam_tracin", {"tracin.layers": "full"}, True),
    "simclr with partners": ("simclr_tracin", {"tracin.layers": "heads"}, True),
    "vicreg": ("vicreg", {}, True),
    "swav": ("swav", {"swav.prototypes": 10}, True),
    "dino": ("dino", {"dino.prototypes": 10, "dino.crops": 2}, True),
    "restore": ("restore", {"restore.channels": 8}, True),
}
SHAPES = {"1d": (12, 5), "2d": (12, 5, 4, 3)}


def normed(shape: tuple[int, ...], own: slice, join: bool) -> dict[str, torch.Tensor]:
    """What a BatchNorm makes of `own` of a batch in two steps, forward and backward."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(shape[1]) if len(shape) == 4 else nn.BatchNorm1d(shape[1])
    network = nn.Sequential(norm).double()
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    nn.init.normal_(norm.bias)
    if join:
        processes.join_norms(network)
        assert isinstance(network[0], processes.WholeBatchNorm)
    whole, weights = 3 + 2 * torch.randn(2, 2, *shape, dtype=torch.float64)
    found = {}
    for step, batch in enumerate(whole):
        x = batch[own].clone().requires_grad_()
        network.zero_grad()
        y = network(x)
        (y.square() * weights[step, own]).sum().backward()
        processes.sum_gradients(network.parameters())
        assert x.grad is not None
        found |= {f"y{step}": y.detach(), f"x.grad{step}": x.grad}
        found |= {f"{name}.grad{step}": p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    with torch.no_grad():
        evaluated = network.eval()(whole[0, own])
    return {**found, "eval": evaluated, **network.state_dict()}


def work(folder: Path) -> None:
    with processes.together(CPU):
        for name, shape in SHAPES.items():
            write(folder, f"norm-{name}", {}, normed(shape, processes.share(12), join=True))
        for name, (method, changes, precise) in CASES.items():
            write(folder, name, *trained(folder / "checkpoints" / name, method, changes, precise))
    assert processes.count() == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left of every case."""
    folder = tmp_path_factory.mktemp("two")
    for name in CASES:
        (folder / "checkpoints" / name).mkdir(parents=True)
    running = sharing.started(2, work, folder)
    while not running.join():  # raises what a process raised
        pass
    return folder


def left(folder: Path, name: str, rank: int) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    return json.loads((folder / f"{name}-{rank}.json").read_text()), load_file(folder / f"{name}-{rank}.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_norms_of_two_processes_are_a_batchnorm_of_the_whole_batch(folder: Path, name: str):
    whole = normed(SHAPES[name], slice(None), join=False)
    for rank in (0, 1):
        _, found = left(folder, f"norm-{name}", rank)
        assert found.keys() == whole.keys()
        for key, value in whole.items():
            mine = value.chunk(2)[rank] if key.startswith(("y", "x.grad", "eval")) else value
            torch.testing.assert_close(found[key], mine, rtol=1e-12, atol=1e-11, msg=f"{key} of rank {rank}")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one_does(folder: Path, tmp_path: Path, name: str):
    method, changes, precise = CASES[name]
    expected, whole = trained(tmp_path, method, changes, precise)
    reported, found = left(folder, name, 0)
    # In float32 one ReLU whose sign hangs on the last bit moves every gradient below it, and so all later steps.
    tolerance, steps = (1e-9, None) if precise else (0.05, 1)
    assert reported.keys() == expected.keys()
    told = [name for name in expected if precise or name.startswith("pretrain/")]  # who is the partner may change
    assert [reported[name] for name in told] == pytest.approx(
        [expected[name] for name in told], rel=tolerance, abs=tolerance, nan_ok=True
    )
    assert found.keys() == whole.keys()
    for key in (key for key in whole if key.startswith("choices/") and precise):
        assert torch.equal(found[key], whole[key]), key
    if method.startswith("byol"):
        assert {"choices/batch", "choices/random", "choices/cosine"} <= whole.keys()
        assert torch.equal(found["partners"][:steps], whole["partners"][:steps])
    for key, value in whole.items() if precise else ():
        close = 1e-5 if key.startswith("batches") else tolerance  # batch statistics are kept in float32
        torch.testing.assert_close(found[key], value, rtol=close, atol=close, equal_nan=True, msg=key)
    ours, theirs = (
        torch.cat([state[key].double().flatten() for key in sorted(whole) if key.startswith("weights")])
        for state in (found, whole)
    )
    assert (ours - theirs).norm() <= 2 * tolerance * theirs.norm()
    same_reported, same = left(folder, name, 1)
    assert same_reported == reported
    assert all(torch.equal(same[key].nan_to_num(), found[key].nan_to_num()) for key in found)


def test_what_several_processes_cannot_share_is_refused():
    config = resolve(["byol_tracin"], SMALL)
    fits(config, 2)
    with pytest.raises(InputError, match="take a multiple of 3"):
        fits(config, 3)
    with pytest.raises(InputError, match=r"set pretrain\.compile=False"):
        fits(resolve(["byol"], {**SMALL, "pretrain.compile": True}), 2)
    with pytest.raises(InputError, match=r"set tracin\.source=online"):
        fits(resolve(["byol_tracin"], {**SMALL, "tracin.source": "pretrained", "tracin.pretraining": 1}), 2)
