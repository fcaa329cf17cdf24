"""The pretraining loop: resumable bit for bit, comparable across methods, and it learns."""

import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save_file

from repro import run
from repro.configs import METHODS
from repro.configs.resolve import resolve
from repro.data import ImageSet
from repro.data.imageset import UNLABELLED
from repro.errors import InputError
from repro.pretrain import example_images
from repro.pretrain.checkpoint import Checkpoint, below
from repro.pretrain.encoder import Encoder
from repro.pretrain.loop import LEARNED, Pretrained, fits, pretrain
from repro.pretrain.objectives import used_objective
from repro.pretrain.objectives.partnered import Partnered
from repro.pretrain.trainer import new_encoder
from repro.store import find_runs, metric_points, open_database, problems_of, read_artifact
from tests.conftest import ROOT
from tests.conftest import load as load_images

SMALL = {
    "encoder.width": 4,
    "heads.hidden": 16,
    "heads.out": 8,
    "pretrain.batch_size": 16,
    "pretrain.epochs": 4,
    "pretrain.warmup_epochs": 1,
    "pretrain.checkpoint_every": 1,
}


def train(images: ImageSet, folder: Path, method: str = "byol_tracin", **changes: Any) -> tuple[Pretrained, list]:
    config = resolve([method], {**SMALL, **{k.replace("__", "."): v for k, v in changes.items()}})
    reported: list[tuple[str, float, float]] = []

    def report(name: str, value: float, step: float) -> None:
        reported.append((name, value, step))

    with Checkpoint(folder).owned() as checkpoint:
        return pretrain(images, config, torch.device("cpu"), checkpoint, report), reported


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


class StoppedError(Exception):
    pass


RESUMED: list[tuple[str, dict[str, Any]]] = [
    ("byol_tracin", {}),
    ("byol_tracin", {"pretrain.optimizer": "adamw"}),
    ("byol_tracin", {"pretrain.optimizer": "lars"}),
    ("byol_tracin", {"tracin.layers": "full", "selector.partners": 2, "selector.symmetric": True}),
    ("byol_random", {}),
    ("byol_queue", {"selector.queue": 40}),
    ("byol_tracin", {"selector.name": "tracin_bank", "selector.queue": 40, "selector.confidence": 0.5}),
    ("byol_tracin", {"selector.mutual": True}),
    ("byol_oracle", {"selector.error": 0.25}),
    ("simclr", {}),
    ("nnclr", {"contrastive.bank": 40}),
    ("dcl_nn", {"contrastive.bank": 40}),
    ("moco", {"moco.queue": 40}),
    ("simsiam", {"pretrain.optimizer": "lars"}),
    ("simsiam_tracin", {"tracin.layers": "heads"}),
    ("simclr_tracin", {"tracin.layers": "full"}),
    ("simclr", {"selector.name": "queue", "selector.queue": 40}),
    ("simsiam_tracin", {"selector.name": "tracin_bank", "selector.queue": 40}),
    ("simclr_tracin", {"selector.name": "tracin_bank", "selector.queue": 40, "tracin.views": 1}),
    ("barlow_twins", {}),
    ("vicreg", {"pretrain.optimizer": "adamw"}),
    ("swav", {"swav.prototypes": 10, "swav.frozen_epochs": 3}),
    ("dino", {"dino.prototypes": 10, "dino.crops": 1, "dino.frozen_epochs": 3}),
    ("restore", {"restore.channels": 8}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "changes"), RESUMED)
def test_a_resumed_run_is_the_run_that_was_never_interrupted(
    tiny: ImageSet, tmp_path: Path, method: str, changes: dict[str, Any]
):
    own = {key.replace(".", "__"): value for key, value in changes.items()}
    whole, reported = train(tiny, tmp_path / "whole", method, **own)

    config = resolve([method], {**SMALL, **changes})

    def stop_in_third_epoch(name: str, value: float, step: float) -> None:
        if step == 3:
            raise StoppedError

    with Checkpoint(tmp_path / "cut").owned() as checkpoint, pytest.raises(StoppedError):
        pretrain(tiny, config, torch.device("cpu"), checkpoint, stop_in_third_epoch)
    resumed, reported_again = train(tiny, tmp_path / "cut", method, **own)

    assert resumed.history.interruptions == 1
    assert same_weights(whole.encoder, resumed.encoder)
    assert sorted(reported_again) == sorted(reported)
    for name, rows in whole.history.batches.items():
        torch.testing.assert_close(resumed.history.batches[name], rows, rtol=0, atol=0, equal_nan=True)
    measures = issubclass(used_objective(config), Partnered)
    assert (whole.history.choices.keys() != set()) == measures
    # Resumed once more, when nothing is left to train, it still knows who was whose partner at the end.
    for again in (resumed, train(tiny, tmp_path / "cut", method, **own)[0]):
        assert again.history.choices.keys() == whole.history.choices.keys()
        assert all(torch.equal(again.history.choices[name], each) for name, each in whole.history.choices.items())


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny: ImageSet, tmp_path: Path):
    first, again, other = (train(tiny, tmp_path / str(n), seed=s)[0] for n, s in enumerate((0, 0, 1)))
    assert same_weights(first.encoder, again.encoder)
    assert not same_weights(first.encoder, other.encoder)


def test_every_method_starts_from_the_same_weights():
    for method in METHODS.keys() - {"imagenet"}:
        assert same_weights(new_encoder(resolve([method], SMALL)), new_encoder(resolve(["byol_oracle"], SMALL)))


@pytest.mark.slow
def test_a_weight_of_zero_is_plain_byol(tiny: ImageSet, tmp_path: Path):
    byol, _ = train(tiny, tmp_path / "a", "byol")
    unweighted, _ = train(tiny, tmp_path / "b", "byol_tracin", selector__weight=0.0)
    weighted, _ = train(tiny, tmp_path / "c", "byol_tracin", selector__weight=1.0)
    assert same_weights(byol.encoder, unweighted.encoder)
    assert not same_weights(byol.encoder, weighted.encoder)


@pytest.mark.parametrize("method", ["byol", "byol_tracin"])
def test_how_often_partners_are_measured_changes_no_weight_and_nothing_of_the_selector_that_trains(
    tiny: ImageSet, tmp_path: Path, method: str
):
    (often, reported), (seldom, again) = (
        train(
            tiny,
            tmp_path / str(every),
            method,
            selector__measure_every=every,
            pretrain__epochs=2,
            tracin__layers="heads",
        )
        for every in (1, 3)
    )
    assert same_weights(often.encoder, seldom.encoder)
    assert often.history.choices.keys() == seldom.history.choices.keys()
    assert all(torch.equal(seldom.history.choices[name], each) for name, each in often.history.choices.items())
    sampled = ("partners/cosine", "partners/tracin_dot", "agrees_with_cosine")
    if method == "byol":
        sampled = ("partners/",)
    ours, theirs = ({(n, s): v for n, v, s in points} for points in (reported, again))
    assert ours.keys() == theirs.keys()
    differ = {name for name, step in ours if ours[name, step] != theirs[name, step]}
    assert differ
    assert all(any(part in name for part in sampled) for name in differ), differ
    assert all(
        row.isnan().sum() == (4 - 2) * 2 for name, row in seldom.history.batches.items() if name.startswith("cosine")
    )


@pytest.mark.slow
def test_labels_reach_no_weight_unless_the_selector_is_the_oracle(tiny: ImageSet, tmp_path: Path):
    relabelled = replace(tiny, labels=1 - tiny.labels.copy() * 0)
    for method in ("byol_tracin", "byol_cosine", "byol_queue", "nnclr", "byol_oracle"):
        a, _ = train(tiny, tmp_path / f"{method}1", method)
        b, _ = train(relabelled, tmp_path / f"{method}2", method)
        assert same_weights(a.encoder, b.encoder) != (method == "byol_oracle"), method


def test_images_without_a_label_are_trained_on_as_those_with_one(tiny: ImageSet, tmp_path: Path):
    without = tiny.indices("train")[::3]
    labels, split = tiny.labels.copy(), tiny.split.astype("<U10")
    labels[without], split[without] = -1, UNLABELLED
    partly = replace(tiny, labels=labels, split=split)
    assert partly.describe()["unlabelled"] == len(without)
    for method in ("byol_tracin", "byol_queue"):
        a, _ = train(tiny, tmp_path / f"{method}1", method)
        b, reported = train(partly, tmp_path / f"{method}2", method)
        assert same_weights(a.encoder, b.encoder), method
        found = example_images.partnered(partly, b.history.choices)
        assert all((found[name] >= 0).all() for name in found if name.endswith("labels"))
    rates = [value for name, value, _ in reported if name.endswith("chance")]
    assert all(0.3 < rate < 0.7 for rate in rates)
    assert rates


def test_every_metric_is_reported_once_per_epoch_and_the_loss_is_the_sum_of_its_terms(tiny: ImageSet, tmp_path: Path):
    _, reported = train(tiny, tmp_path, selector__weight=0.5, selector__warmup_epochs=1)
    names = {name for name, _, _ in reported}
    for name in names:
        assert [step for n, _, step in reported if n == name] == [1, 2, 3, 4], name
    value = {(name, step): v for name, v, step in reported}
    for epoch in (1, 2, 3, 4):
        expected = (
            value["pretrain/loss_byol", epoch] + value["pretrain/lambda", epoch] * value["pretrain/loss_partner", epoch]
        )
        assert value["pretrain/loss", epoch] == pytest.approx(expected, rel=1e-5)
    assert [value["pretrain/lambda", e] for e in (1, 2, 3, 4)] == [0.0, 0.5, 0.5, 0.5]


def looked_at(
    images: ImageSet, folder: Path, learned: Iterator[float], stop: float = math.inf, **changes: Any
) -> tuple[dict[tuple[str, float], float], Encoder]:
    """Train with a probe that says of each look whether something was learned; return what was reported."""
    config = resolve(["byol_tracin"], {**SMALL, "selector.start": "learned", "pretrain.probe_every": 1, **changes})
    reported: dict[tuple[str, float], float] = {}

    def report(name: str, value: float, step: float) -> None:
        if step == stop:
            raise StoppedError
        reported[name, step] = value

    def look(*_: Any) -> dict[str, float]:
        return {LEARNED: next(learned)}

    with Checkpoint(folder).owned() as checkpoint:
        return reported, pretrain(images, config, torch.device("cpu"), checkpoint, report, look=look).encoder


@pytest.mark.parametrize(
    ("learned", "changes", "weights"),
    [
        ([0, 0, 1, 1, 1], {}, [0, 0, 0.5, 0.5]),
        ([0, 1, 0, 0, 0], {}, [0, 0.5, 0.5, 0.5]),  # once is enough
        ([0, 0, 0, 0, 0], {}, [0, 0, 0, 0]),
        ([0, 1, 1, 1, 1], {"selector.warmup_epochs": 1}, [0, 0, 0.5, 0.5]),
        ([0, 1, 1, 1, 1], {"selector.ramp_epochs": 1}, [0, 0.25, 0.5, 0.5]),
        ([0, 1, 1], {"pretrain.probe_every": 2}, [0, 0, 0.5, 0.5]),
    ],
)
def test_partners_pull_once_a_probe_has_found_something_learned(
    tiny: ImageSet, tmp_path: Path, learned: list[float], changes: dict[str, Any], weights: list[float]
):
    found, _ = looked_at(tiny, tmp_path, iter(learned), **{"selector.weight": 0.5, **changes})
    assert [found["pretrain/lambda", epoch] for epoch in (1, 2, 3, 4)] == weights
    assert [value for (name, _), value in found.items() if name == LEARNED] == learned


@pytest.mark.parametrize("learned", [[0, 1, 0, 0, 0], [0, 0, 0, 1, 1]])
def test_a_run_that_waits_for_its_probe_resumes_as_if_never_interrupted(
    tiny: ImageSet, tmp_path: Path, learned: list[float]
):
    whole, weights = looked_at(tiny, tmp_path / "whole", iter(learned))
    answers = iter(learned)
    with pytest.raises(StoppedError):
        looked_at(tiny, tmp_path / "cut", answers, stop=3)
    resumed, again = looked_at(tiny, tmp_path / "cut", answers)  # it looks no more at what is behind it
    assert resumed == whole
    assert same_weights(again, weights)


def test_several_processes_cannot_wait_for_a_probe_that_one_takes():
    with pytest.raises(InputError, match=r"selector\.start=learned waits for a probe"):
        fits(resolve(["byol_tracin"], {"selector.start": "learned"}), 2)


@pytest.mark.slow
def test_byol_learns_to_predict_its_target(tiny: ImageSet, tmp_path: Path):
    _, reported = train(tiny, tmp_path, "byol", pretrain__epochs=12, pretrain__lr=0.5)
    loss = [v for name, v, _ in reported if name == "pretrain/loss_byol"]
    assert loss[-1] < 0.8 * loss[0]


def test_a_batch_larger_than_the_data_is_refused(tiny: ImageSet, tmp_path: Path):
    with pytest.raises(InputError, match="only 64 training images"):
        train(tiny, tmp_path, pretrain__batch_size=65)


def test_a_diverged_loss_stops_with_advice(tiny: ImageSet, tmp_path: Path):
    with pytest.raises(InputError, match=r"lower pretrain\.lr"):
        train(tiny, tmp_path, pretrain__lr=1e30, pretrain__warmup_epochs=0)


def test_two_processes_cannot_train_the_same_thing_at_once(tmp_path: Path):
    with Checkpoint(tmp_path).owned(), pytest.raises(InputError, match="another process"), Checkpoint(tmp_path).owned():
        pass


def test_a_checkpoint_of_other_images_is_refused(tiny: ImageSet, tmp_path: Path):
    train(tiny, tmp_path)
    other = replace(tiny, images=255 - tiny.images)
    with pytest.raises(InputError, match="trained on other images"):
        train(other, tmp_path)


def test_a_checkpoint_of_other_labels_is_refused(tiny: ImageSet, tmp_path: Path):
    train(tiny, tmp_path, "byol_oracle")
    with pytest.raises(InputError, match="trained on other images"):
        train(replace(tiny, labels=1 - tiny.labels), tmp_path, "byol_oracle")


def test_excluding_groups_that_are_unknown_is_refused(tiny: ImageSet, tmp_path: Path):
    with pytest.raises(InputError, match="share a patient or lesion is unknown"):
        train(replace(tiny, groups=None), tmp_path, tracin__exclude_group=True)


def test_compiled_networks_cannot_be_looked_into(tiny: ImageSet, tmp_path: Path):
    with pytest.raises(InputError, match=r"set pretrain\.compile=False"):
        train(tiny, tmp_path, tracin__layers="heads", pretrain__compile=True)


def test_every_few_epochs_and_at_the_end_the_networks_are_kept_with_their_learning_rate(tiny: ImageSet, tmp_path: Path):
    _, reported = train(tiny, tmp_path, "byol", pretrain__keep_every=3)
    kept = Checkpoint(tmp_path).kept()
    assert [file.name for file in kept] == ["model-00003.safetensors", "model-00004.safetensors"]
    rates = {step: value for name, value, step in reported if name == "pretrain/lr"}
    states = [load(file.read_bytes()) for file in kept]
    assert [float(state["lr"]) for state in states] == [rates[3], rates[4]]
    final = load((tmp_path / "latest.safetensors").read_bytes())
    for name, tensor in below(states[1], "model/").items():
        assert torch.equal(tensor, final[f"model/model.{name}"])


@pytest.mark.slow
def test_a_run_without_predictor_reports_its_collapse_within_an_epoch(tmp_path: Path, caplog):
    images = load_images("phantom", 28, "official", limit=1024)
    told = {}
    for predictor in (True, False):
        caplog.clear()
        _, reported = train(
            images, tmp_path / str(predictor), "byol", heads__predictor=predictor, pretrain__epochs=1,
            pretrain__batch_size=16, pretrain__warmup_epochs=0, pretrain__lr=1.0,
        )  # fmt: skip
        (alarm,) = [value for name, value, _ in reported if name == "pretrain/collapsed"]
        told[predictor] = alarm == 1
        assert ("COLLAPSE" in caplog.text) == told[predictor]
    assert told == {True: False, False: True}


class Shouting(Encoder):
    """Features so large that only the first layer after them has products beyond float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 1e25


def test_a_score_that_is_not_finite_stops_the_run_with_layer_and_step(tiny: ImageSet, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("repro.pretrain.encoder.Encoder", Shouting)
    with pytest.raises(InputError, match=r"at step 1 the score of projector\.inner\.0 is not a finite number"):
        train(tiny, tmp_path, tracin__layers="heads")
    assert not (tmp_path / "latest.safetensors").exists()


def test_processor_time_goes_on_over_a_cut_and_an_older_checkpoint_has_none(tiny: ImageSet, tmp_path: Path):
    first, _ = train(tiny, tmp_path, pretrain__epochs=1)
    assert first.history.processor_seconds > 0
    resumed, _ = train(tiny, tmp_path, pretrain__epochs=2)
    assert resumed.history.processor_seconds > first.history.processor_seconds
    file = tmp_path / "latest.safetensors"
    with safe_open(file, "pt") as archive:
        tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
        about = json.loads(archive.metadata()["about"])
    assert about.pop("processor_seconds") == resumed.history.processor_seconds
    assert about.pop("other_seconds") == resumed.history.other_seconds >= first.history.other_seconds >= 0
    save_file(tensors, file, {"about": json.dumps(about)})
    older, _ = train(tiny, tmp_path, pretrain__epochs=3)
    assert math.isnan(older.history.processor_seconds)
    assert math.isnan(older.history.other_seconds)
    assert older.history.seconds > resumed.history.seconds


def test_a_damaged_checkpoint_is_named(tiny: ImageSet, tmp_path: Path):
    train(tiny, tmp_path, pretrain__epochs=1)
    file = tmp_path / "latest.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        train(tiny, tmp_path, pretrain__epochs=1)


@pytest.mark.slow
def test_on_the_phantom_the_oracle_finds_better_partners_than_tracin_and_tracin_than_chance(tmp_path: Path):
    images = load_images("phantom", 28, "official")
    config = resolve(["byol_tracin", "phantom", "partners"], {"pretrain.epochs": 6})
    found: dict[str, float] = {}
    with Checkpoint(tmp_path).owned() as checkpoint:
        pretrain(images, config, torch.device("cpu"), checkpoint, lambda name, value, _: found.update({name: value}))
    rate = {key: found[f"partners/{key}/same_label"] for key in ("oracle", "tracin_cosine", "tracin_dot", "random")}
    assert rate["oracle"] > rate["tracin_cosine"] > found["partners/chance"] + 0.05
    assert rate["tracin_dot"] > rate["random"] + 0.05
    assert rate["random"] == pytest.approx(found["partners/chance"], abs=0.03)  # 3 standard errors


RUN = ["byol_tracin", "phantom", "smoke", "data.limit=256", "pretrain.epochs=6", "pretrain.batch_size=64"]


KILLED = """
import os, signal, sys
from repro import run
from repro.pretrain.trainer import Trainer
step, steps = Trainer.step, iter(range(9))
def killed(*arguments):
    if next(steps, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)
Trainer.step = killed
run.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_killed_in_training_continues_to_identical_weights_and_a_whole_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    words = ["pretrain", "with", *RUN, *(f"{k}={v}" for k, v in SMALL.items() if not k.startswith("pretrain"))]
    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "whole"))
    run.main(words)

    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "killed"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, *words], cwd=ROOT, capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert list((tmp_path / "killed").glob("checkpoints/*/latest.safetensors"))
    caplog.clear()
    with caplog.at_level("INFO"):
        run.main(words)
    assert "resuming from the checkpoint after epoch" in caplog.text
    assert "is stored whole" in caplog.text

    runs, weights, points, files = [], [], [], []
    for name in ("whole", "killed"):
        monkeypatch.setenv("REPRO_RUNS", str(tmp_path / name))
        with open_database() as database:
            found = find_runs(database)
            assert problems_of(database, found[-1]) == []
            runs.append(found)
            weights.append(load(read_artifact(database, found[-1], "encoder.safetensors")))
            names = sorted(artifact["name"] for artifact in found[-1]["artifacts"])
            files.append({name: read_artifact(database, found[-1], name) for name in names})
            points.append(metric_points(database, [found[-1]["_id"]]).drop(columns="run_id"))
    assert [run["status"] for run in runs[1]] == ["INTERRUPTED", "COMPLETED"]
    assert runs[1][0]["info"]["continued_by"] == 2
    assert runs[1][1]["info"]["timings"]["interruptions"] == 1
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert points[0].equals(points[1])
    assert files[0] == files[1]
    assert not list((tmp_path / "killed" / "checkpoints").glob("*"))
    shutil.rmtree(tmp_path)
