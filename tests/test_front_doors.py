"""What a person meets at the front doors: results, and one-line errors with exit code 2."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from pymongo.database import Database
from safetensors.torch import load_file

from repro import db, run
from repro.configs.resolve import flat
from repro.data import __main__ as data
from repro.errors import front_door
from repro.reproduce import __main__ as reproduce
from repro.store import ENCODER, find_runs, metric_points, problems_of
from tests.conftest import ROOT
from tests.data.test_medmnist import arrays, written
from tests.figures.synthetic import retell
from tests.pretrain.test_loop import SMALL

QUICK = [
    *(f"{key}={value}" for key, value in SMALL.items()),
    "pretrain.epochs=2",
    "pretrain.batch_size=32",
    "data.limit=64",
    "evaluate.fractions=[0.5,1.0]",
    "evaluate.finetune.steps=4",
]


def at(main: Callable[[list[str]], None], *arguments: str) -> int:
    """Call a front door as its command line would; return the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["x", *arguments])
        try:
            front_door(main)
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def refused(capsys: pytest.CaptureFixture, main: Callable[[list[str]], None], *arguments: str) -> str:
    """Call a front door with bad input; return its one line."""
    assert at(main, *arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["with", "byol_tracing", "smoke"], "no named config 'byol_tracing'. Did you mean 'byol_tracin'?"),
        (["with", "byol", "pretrain.epoch=3"], "no setting 'pretrain.epoch'. Did you mean 'pretrain.epochs'?"),
        (["with", "byol", "evaluate.fractions=[0]"], "evaluate.fractions=0 must be above 0"),
        (["with", "byol", "evaluate.fractions=[2]"], "evaluate.fractions=2 must be above 0"),
        (["trian", "with", "byol"], "no command 'trian'. Did you mean 'train'?"),
        (["train", "byol"], "write `train with byol`"),
        (["with", "data.name=dermamist"], "no data set 'dermamist'. Did you mean 'dermamnist'?"),
        (["with", "phantom", "data.size=9"], "data.size=9"),
        ([], "name what to run"),
        (["with"], "name what to run"),
        (
            ["with", "phantom", "smoke", "method.objective=simclr"],
            "under the name of byol, whose objective is byol; set",
        ),
        (["with", "byol", "seed", "=", "3"], "write settings without blanks"),
        (
            ["byol", "dermamnist"],
            "put `with` before named configs and settings: `python -m repro.run with byol dermamnist`",
        ),
        (["with", "phantom", "byol", "pretrain.epochs=2", "pretrain.warmup_epochs=3"], "warmup_epochs=3 is more than"),
        (["with", "phantom", "byol", "augment.crop=[1.0,0.2]"], "must be [smallest, largest] area"),
        (["evaluate", "with", "phantom", "evaluate.pretraining=99", *QUICK], "no completed run 99"),
        (
            ["evaluate", "with", "phantom", "byol", *QUICK],
            "needs a stored encoder of byol: evaluate.pretraining=RUN_ID",
        ),
        (["pretrain", "with", "phantom", "random_init", *QUICK], "has nothing to pretrain"),
        (["with", "phantom", "device=cuda"], "torch sees no CUDA device"),
        (["with", "phantom", "selector.name=cosin"], "no selector 'cosin'. Did you mean 'cosine'?"),
        (["with", "phantom", "selector.measured=['orakel']"], "no selector 'orakel'. Did you mean 'oracle'?"),
        (["with", "phantom", "selector.name=queue", "selector.symmetric=True"], "partners that are in the batch"),
        (["with", "phantom", "tracin.source=pretrained"], "needs the run that kept the networks"),
        (["with", "phantom", "imagenet", "smoke", *QUICK], "imagenet has weights for encoder.width=64"),
        (["with", "phantom", "encoder.arch=resnet19", *QUICK], "has this network. Did you mean 'resnet18'?"),
        (
            ["with", "phantom", "encoder.arch=vit_tiny_patch16_224", *QUICK],
            "cuts images into patches of 16 px, which do not divide data.size=28; set encoder.patch=4",
        ),
        (["with", "phantom", "encoder.weights=none.pth", *QUICK], "encoder.weights=none.pth: there is no such file"),
        (
            ["with", "phantom", "random_init", "encoder.weights=imagenet", *QUICK],
            "random_init is the row of random weights",
        ),
        (
            ["with", "phantom", "supervised", "evaluate.protocols=['knn']"],
            "no pretrained encoder that knn",
        ),
        (["with", "phantom", "data.csv=x.csv"], "data.csv and data.channels are for data.name=folder"),
        (["with", "phantom", "data.split_seed=1"], "the official split of phantom is as published"),
        (["with", "phantom", f"data.limit={2**63}"], "is more than a run database can hold"),
        (["with", "phantom", "evaluate.pretraining=99999999999999999999"], "is more than a run database can hold"),
        (["with", "phantom", "method.name=a\udcffb"], "has characters that cannot be printed"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(database: Database, capsys, arguments: list[str], complaint: str):
    if "device=cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    assert complaint in refused(capsys, run.main, *arguments)
    assert [r for r in find_runs(database) if r["status"] in ("COMPLETED", "RUNNING")] == []
    assert not list((Path(os.environ["REPRO_RUNS"]) / "checkpoints").glob("*"))


@pytest.mark.parametrize("change", ["selector.weight=2", "pretrain.lr=1", "evaluate.fractions=[1]"])
def test_a_whole_number_given_for_a_number_is_stored_and_hashed_as_one(database: Database, change: str):
    command = ["with", "byol_random", "phantom", "smoke", *QUICK, "evaluate.protocols=['knn']"]
    key, _, value = change.partition("=")
    for text in (value, value.replace("]", ".0]") if "]" in value else f"{value}.0"):
        assert at(run.main, *command, f"{key}={text}") == 0
    first, second = find_runs(database)
    assert problems_of(database, first) == problems_of(database, second) == []
    assert first["info"]["cell"] == second["info"]["cell"]
    assert first["config"] == second["config"]
    assert str(first["config"]) == str(second["config"])


def test_networks_kept_at_other_epochs_are_another_source(database: Database):
    small = ["phantom", "smoke", *QUICK]
    for keep in (1, 2):
        assert at(run.main, "pretrain", "with", "byol", *small, f"pretrain.keep_every={keep}") == 0
    for source in (1, 2):
        words = ["tracin.source=pretrained", f"tracin.pretraining={source}"]
        assert at(run.main, "pretrain", "with", "byol_tracin", *small, *words) == 0
    kept = [run["info"]["series"] for run in find_runs(database)]
    assert kept[0] == kept[1]
    assert kept[2] != kept[3]


def test_a_study_has_its_seeds_from_seeds_alone(capsys):
    assert "use --seeds N" in refused(capsys, reproduce.main, "plan", "--scale", "smoke", "--set", "seed=5")
    assert at(reproduce.main, "plan", "--scale", "smoke", "--seeds", "3", "3") == 0
    assert "7 cells" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["missing", "truncated", "shape"])
def test_a_damaged_file_leaves_no_run_on_record(database: Database, capsys, folder: Path, damage: str):
    content = arrays()
    if damage == "missing":
        del content["test_images"]
    if damage == "shape":
        content["train_labels"] = content["train_labels"][:, 0]
    file = written(folder, content)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:5000])
    line = refused(capsys, run.main, "with", "byol", "dermamnist", "smoke")
    assert str(file) in line
    assert find_runs(database) == []


def test_an_unreachable_database_stops_before_anything_is_computed(capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("REPRO_MONGO_URI", f"mongodb://me:hunter2@127.0.0.1:{port}/")
    line = refused(capsys, run.main, "with", "byol", "phantom", "smoke")
    assert f"no run database answers at 127.0.0.1:{port}" in line
    assert "hunter2" not in line


def test_a_run_with_the_settings_of_a_finished_one_says_that_it_repeats_it(database: Database, caplog):
    with caplog.at_level(logging.INFO):
        for seed in (1, 2, 1):
            assert at(run.main, "with", "random_init", "phantom", "smoke", f"seed={seed}", *QUICK) == 0
    first, _, third = find_runs(database)
    assert first["info"]["cell"] == third["info"]["cell"]
    told = [line for line in caplog.messages if "repeats" in line]
    assert told == [f"run {first['_id']} has the same settings and images; this run repeats it"]


def test_a_run_is_recorded_whole_with_all_that_its_numbers_rest_on(database: Database, caplog):
    with caplog.at_level(logging.INFO):
        assert at(run.main, "with", "byol_tracin", "phantom", "smoke", "seed=3", *QUICK) == 0
    (stored,) = find_runs(database)
    assert stored["status"] == "COMPLETED"
    assert problems_of(database, stored) == []
    assert f"run {stored['_id']} is stored whole" in caplog.text
    assert stored["config"]["seed"] == 3
    assert {a["name"] for a in stored["artifacts"]} == {
        *("encoder.safetensors", "selection.npz", "test_scores.npz", "features.npz"),
        *("views.pictures.npz", "partners.pictures.npz"),
    }
    info = stored["info"]
    assert info["provenance"]["versions"]["torch"] == torch.__version__.split("+")[0]
    sizes = info["data"]["images"]
    assert all(60 < n <= 64 for n in sizes.values())
    assert [s["fraction"] for s in info["label_subsets"]] == [0.5, 1.0]
    assert info["label_subsets"][1]["images"] == sizes["train"]
    assert info["timings"]["pretrain_s"] > 0
    assert info["timings"]["pretrain_processor_s"] > 0
    assert info["timings"]["evaluate_processor_s"] > 0
    marks = info["sources"]
    assert (marks["pretrain"]["epochs"], marks["pretrain"]["momentum"], marks["seed"]) == ("[set]", "[BYOL]", "[set]")
    assert dict(flat(marks)).keys() == dict(flat(stored["config"])).keys()
    names = set(metric_points(database, [stored["_id"]])["name"])
    assert {"pretrain/loss", "partners/chance", "partners/tracin_cosine/same_label", "partners/tracin_dot/same_label",
            "test/finetune/balanced_accuracy", "val/knn/accuracy", "finetune/50/val"} <= names  # fmt: skip


def test_a_stored_encoder_is_evaluated_on_other_images(database: Database, capsys):
    small = ["phantom", "smoke", *QUICK]
    assert at(run.main, "pretrain", "with", "byol", *small) == 0
    assert at(run.main, "evaluate", "with", "byol", "phantom_xray", *small[1:], "evaluate.pretraining=1") == 0
    pretraining, evaluation = find_runs(database)
    assert problems_of(database, pretraining) == problems_of(database, evaluation) == []
    assert evaluation["info"]["data"]["name"] == "phantom_xray"
    assert evaluation["result"].keys() == {f"{p}/{f}" for p in ("knn", "linear", "finetune") for f in (50, 100)}
    stored = [*small, "evaluate.pretraining=1"]
    for change, complaint in (
        (["byol", "encoder.width=8"], "give the same encoder.* settings"),
        (["byol_tracin"], "run 1 is byol seed=0"),
        (["byol", "seed=1"], "run 1 is byol seed=0"),
    ):
        assert complaint in refused(capsys, run.main, "evaluate", "with", *stored, *change)
    retell(database, {"config.data.split": "lesion"}, run_id=1)
    assert "can be test images" in refused(capsys, run.main, "evaluate", "with", "byol", *stored)
    database.metrics.delete_one({"run_id": 1})
    assert "run 1 is damaged" in refused(capsys, run.main, "evaluate", "with", "byol", *stored)
    assert len(find_runs(database)) == 2


def test_a_stored_encoder_is_taken_to_its_usual_data_set_if_none_is_named(database: Database, capsys):
    assert at(run.main, "pretrain", "with", "byol", "phantom", "smoke", *QUICK, "data.size=32") == 0
    assert at(run.main, "evaluate", "with", "byol", "smoke", *QUICK, "evaluate.pretraining=1") == 0
    _, evaluation = find_runs(database)
    assert evaluation["info"]["data"]["name"] == "phantom_xray"
    assert evaluation["info"]["data"]["shape"] == [32, 32, 1]
    assert problems_of(database, evaluation) == []


def test_stored_networks_choose_the_partners_of_another_run(database: Database, capsys):
    small = ["phantom", "smoke", *QUICK]
    assert at(run.main, "pretrain", "with", "byol", *small, "pretrain.keep_every=1") == 0
    assert at(run.main, "pretrain", "with", "simclr", *small, "pretrain.keep_every=1") == 0
    assert at(run.main, "pretrain", "with", "byol", *small) == 0
    method = ["pretrain", "with", "byol_tracin", *small]
    source = ["tracin.source=pretrained", "tracin.layers=heads"]
    assert at(run.main, *method, *source, "tracin.pretraining=1") == 0
    assert at(run.main, *method, "tracin.layers=heads") == 0
    first, _, _, stored, online = find_runs(database)
    assert problems_of(database, first) == problems_of(database, stored) == []
    assert {"model-00001.safetensors", "model-00002.safetensors"} <= {a["name"] for a in first["artifacts"]}
    assert f"-{first['info']['series']}-1-" in stored["info"]["series"]
    assert stored["info"]["series"] != online["info"]["series"]
    spread = {
        run_id: metric_points(database, [run_id], "partners/gradient_norm_spread")["value"].tolist()
        for run_id in (4, 5)
    }
    assert spread[4] != spread[5]

    for change, complaint in (
        ([], "tracin.source=pretrained needs the run"),
        (["tracin.pretraining=77"], "no completed run 77"),
        (["tracin.pretraining=2"], "kept no BYOL networks"),
        (["tracin.pretraining=3"], "kept no BYOL networks"),
    ):
        assert complaint in refused(capsys, run.main, *method, *source, *change)
    retell(database, {"config.data.split": "lesion"}, run_id=1)
    assert "can be test images" in refused(capsys, run.main, *method, *source, "tracin.pretraining=1")
    assert len(find_runs(database)) == 5


def test_a_study_runs_only_what_is_missing_and_goes_on_past_a_failure(database: Database, capsys, folder: Path):
    study = ["--scale", "smoke", "--methods", "random_init", "byol", "--seeds", "0", "--fallback", "phantom"]
    assert at(reproduce.main, "run", *study, "--set", *QUICK) == 0
    printed = capsys.readouterr()
    assert "PHANTOM IMAGES STAND IN" in printed.err
    assert "2 cells: 2 done" in printed.out
    assert [r["info"]["data"]["stands_in_for"] for r in find_runs(database)] == ["dermamnist"] * 2
    assert at(reproduce.main, "run", *study, "--set", *QUICK) == 0
    assert len(find_runs(database)) == 2
    database.metrics.delete_one({"run_id": 1})
    assert at(reproduce.main, "status", *study, "--set", *QUICK) == 0
    assert "2 cells: 2 done" in capsys.readouterr().out
    assert at(reproduce.main, "status", *study, "--set", *QUICK, "--check") == 0
    assert "2 cells: 1 done, 1 damaged" in capsys.readouterr().out
    too_big = [*QUICK, "pretrain.warmup_epochs=99"]
    assert at(reproduce.main, "run", *study, "--set", *too_big) == 1
    printed = capsys.readouterr()
    assert "is more than pretrain.epochs" in printed.err
    assert "1 of 2 cells failed" in printed.err
    assert sorted(stored["status"] for stored in find_runs(database)[-2:]) == ["COMPLETED", "FAILED"]  # at once


def test_a_stored_encoder_is_written_for_plain_torchvision(database: Database, capsys, tmp_path: Path):
    standard = [word for word in QUICK if not word.startswith("encoder")]
    assert at(run.main, "pretrain", "with", "byol", "phantom", *standard, "pretrain.epochs=1") == 0
    assert at(db.main, "weights", "1", str(tmp_path / "encoder.safetensors")) == 0
    network = torchvision.models.resnet18()
    loaded = network.load_state_dict(load_file(tmp_path / "encoder.safetensors"), strict=False)
    assert loaded.missing_keys == ["fc.weight", "fc.bias"]
    assert loaded.unexpected_keys == []
    assert "run 7 is not in the run database" in refused(capsys, db.main, "weights", "7", str(tmp_path / "x"))
    assert "'x' is no id of a run" in refused(capsys, db.main, "weights", "x", "1")
    assert "cannot write" in refused(capsys, db.main, "weights", "1", "/proc/x/encoder.safetensors")
    assert "cannot write" in refused(capsys, db.main, "weights", "1", ".")
    assert at(db.main, "weights", "99999999999999999999", str(tmp_path / "x")) == 2
    (encoder,) = [a["file_id"] for a in find_runs(database)[0]["artifacts"] if a["name"] == ENCODER]
    database.fs.chunks.update_one({"files_id": encoder, "n": 0}, {"$set": {"data": b"other"}})
    capsys.readouterr()
    assert at(db.main, "weights", "1", str(tmp_path / "altered")) == 1
    assert "so it is not written" in capsys.readouterr().err
    assert not (tmp_path / "altered").exists()
    assert [file.name for file in tmp_path.glob("*encoder*")] == ["encoder.safetensors"]


def test_ping_says_whether_the_run_database_answers(database: Database, capsys, tmp_path: Path, monkeypatch):
    host, port = database.client.address
    assert at(db.main, "ping") == 0
    assert capsys.readouterr().out == f"run database mongodb://{host}:{port}/{database.name} answers\n"
    (tmp_path / "uri").write_text("mongodb://me:hunter2@127.0.0.1:1/repro")
    monkeypatch.delenv("REPRO_MONGO_URI")
    monkeypatch.setenv("REPRO_MONGO_URI_FILE", str(tmp_path / "uri"))
    line = refused(capsys, db.main, "ping")
    assert "no run database answers at 127.0.0.1:1" in line
    assert "hunter2" not in line


def test_cells_that_fail_for_one_reason_are_named_together(database: Database, capsys, folder: Path):
    study = ["--scale", "smoke", "--methods", "random_init", "byol", "supervised", "simclr", "--seeds", "0", "1"]
    assert at(reproduce.main, "run", *study, "--no-fetch", "--set", "data.size=64") == 1
    printed = capsys.readouterr().err
    assert printed.count("failed: python -m repro.run") == 1
    assert printed.count("\n        python -m repro.run") == 4
    assert "and 3 more, which `status` lists" in printed


def test_the_database_check_names_the_damaged_run(database: Database, capsys):
    assert at(run.main, "with", "random_init", "phantom", "smoke", *QUICK) == 0
    assert at(db.main, "check") == 0
    assert "run 1 (train, random_init, seed 0): whole" in capsys.readouterr().out
    database.fs.chunks.delete_many({})
    assert at(db.main, "check") == 1
    assert "artifact test_scores.npz cannot be read" in capsys.readouterr().out


def test_data_sets_are_listed_and_described(capsys):
    assert at(data.main, "list") == 0
    assert "dermamnist" in capsys.readouterr().out
    assert at(data.main, "check", "phantom") == 0
    printed = capsys.readouterr().out
    assert "4,400 images, 28 x 28 px, colour, multi-class" in printed
    assert printed.splitlines()[-1].startswith("No leak found in phantom, split official")
    assert "Did you mean 'phantom'" in refused(capsys, data.main, "check", "phantomm")


@pytest.mark.slow
def test_a_module_run_from_the_command_line_exits_with_code_2_and_one_line():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-W", "ignore", "-m", "repro.run", "with", "no_such_config"]
    result = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("error: no named config 'no_such_config'")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.slow
def test_partners_on_real_dermamnist_share_the_label_more_often_than_chance(database: Database, real_data: Path):
    """Three epochs; three standard errors over the batches of the last. Dot scores are reported beside."""
    import io

    from repro.store import read_artifact

    arguments = ["byol_tracin", "dermamnist", "smoke", "pretrain.epochs=3", "evaluate.protocols=['knn']"]
    assert at(run.main, "with", *arguments, "evaluate.fractions=[1.0]") == 0
    (stored,) = find_runs(database)
    with np.load(io.BytesIO(read_artifact(database, stored, "selection.npz")), allow_pickle=False) as rows:
        excess = {name: rows[f"{name}/same_label"][-1] - rows["chance"][-1] for name in ("tracin_cosine", "tracin_dot")}
    for name, values in excess.items():
        error = values.std(ddof=1) / len(values) ** 0.5
        print(f"{name}: {values.mean():+.3f} over chance, {values.mean() / error:.1f} standard errors")
    cosine = excess["tracin_cosine"]
    assert cosine.mean() > 3 * cosine.std(ddof=1) / len(cosine) ** 0.5


def test_stored_runs_are_verified_from_the_command_line(database: Database, capsys, tmp_path: Path):
    assert "run ids, or --sample" in refused(capsys, reproduce.main, "verify")
    assert "no run 7 in the run database" in refused(capsys, reproduce.main, "verify", "7")
    assert "no whole run" in refused(capsys, reproduce.main, "verify", "--sample", "2")
    assert at(run.main, "with", "random_init", "phantom", *QUICK, "evaluate.protocols=['knn']") == 0
    capsys.readouterr()
    report = tmp_path / "verdicts.json"
    assert at(reproduce.main, "verify", "--sample", "1", "--json", str(report)) == 0
    assert "1 identical" in capsys.readouterr().out
    assert json.loads(report.read_text())["failed"] is False


def test_settings_of_a_data_set_may_stand_behind_an_option(capsys: pytest.CaptureFixture):
    assert at(data.main, "prepare", "phantom", "--size", "28", "data.limit=20") == 0
    (train,) = re.findall(r"px: (\d+) train", capsys.readouterr().out)
    assert 0 < int(train) <= 20
    assert "unrecognized arguments: --bogus" in refused(
        capsys, data.main, "prepare", "phantom", "--size", "28", "--bogus"
    )
    assert "data.limit" in refused(capsys, data.main, "prepare", "phantom", "--size", "28", "data.limit=x")


def test_output_that_the_terminal_cannot_show_does_not_end_the_work():
    code = "from repro.errors import front_door; front_door(lambda _: print('5 – 7 ü'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5 ? 7 ?\n", "")
