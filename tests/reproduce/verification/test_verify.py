"""Stored runs executed again, by real processes with real databases of their own."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bson import ObjectId
from gridfs import GridFS
from pymongo.database import Database

from repro import run
from repro.configs.resolve import defaults
from repro.data.prepare import prepared
from repro.errors import InputError
from repro.reproduce.verification.environment import surroundings
from repro.reproduce.verification.reexecution import completed, earlier_runs, link_prepared
from repro.reproduce.verification.report import plain, report
from repro.reproduce.verification.sample import sample
from repro.reproduce.verification.verify import (
    CANNOT,
    DIFFERENT,
    IDENTICAL,
    WITHIN,
    Verdict,
    differences_between,
    failed,
    judge,
    verify,
)
from repro.store import find_runs, read_artifact
from tests.conftest import ROOT
from tests.data.pictures import SIZE, listing_of, make
from tests.data.test_medmnist import arrays, written
from tests.figures import synthetic
from tests.test_front_doors import QUICK, at

SMALL = [*QUICK, "pretrain.epochs=1"]
KNN = ["evaluate.protocols=['knn']", "evaluate.fractions=[1.0]"]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where temporary ones are made; everything in it is ours."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def everything(database: Database) -> dict[str, Any]:
    """All documents of a database."""
    return {name: list(database[name].find().sort("_id")) for name in sorted(database.list_collection_names())}


def twin(database: Database, run_id: int) -> dict[str, Any]:
    """Store a copy of a run's document and metrics under the next id, and return its document."""
    document = database.runs.find_one({"_id": run_id})
    assert document is not None
    document["_id"] = run_id + 1
    ids = {}
    for series in list(database.metrics.find({"run_id": run_id})):
        before = str(series.pop("_id"))
        ids[before] = database.metrics.insert_one({**series, "run_id": run_id + 1}).inserted_id
    for metric in document["info"]["metrics"]:
        metric["id"] = str(ids[metric["id"]])
    database.runs.insert_one(document)
    return document


@pytest.mark.slow
def test_a_run_repeats_every_bit_apart_from_all_others_and_one_on_other_data_is_refused(
    database: Database, folder: Path, temporary: Path
):
    content = arrays(n=40)
    written(folder, content)
    assert at(run.main, "with", "random_init", "dermamnist", "smoke", *SMALL, *KNN) == 0
    assert at(run.main, "with", "byol_tracin", "phantom", "smoke", *SMALL) == 0
    content["train_images"][0, 0, 0, 0] ^= 1
    written(folder, content)
    before, runs_folder = everything(database), Path(os.environ["REPRO_RUNS"])
    files = sorted(runs_folder.rglob("*"))
    other, same = verdicts = verify(database, [1, 2, 1])

    assert same.verdict == IDENTICAL
    assert (same.differences, same.code, same.environment, same.reason) == ([], [], [], "")
    assert same.points > 50
    assert same.artifacts == 6
    assert not failed([same])
    assert other.verdict == CANNOT
    assert "the images or labels of dermamnist are other ones: SHA-256" in other.reason
    assert failed(verdicts)
    lines = report(verdicts).splitlines()
    assert lines[1].startswith("run 2     train byol_tracin phantom seed 0     identical ")
    assert f"  {other.reason}" in lines

    assert everything(database) == before
    assert sorted(runs_folder.rglob("*")) == files
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_an_encoder_judged_elsewhere_and_stored_networks_are_taken_from_copies(database: Database, temporary: Path):
    small = ["phantom", "smoke", *SMALL]
    assert at(run.main, "with", "random_init", *small, *KNN) == 0
    assert at(run.main, "pretrain", "with", "byol", *small, "pretrain.keep_every=1") == 0
    words = ["evaluate.pretraining=2", *KNN]
    assert at(run.main, "evaluate", "with", "byol", "phantom_xray", *small[1:], *words) == 0
    words = ["tracin.source=pretrained", "tracin.pretraining=2"]
    assert at(run.main, "pretrain", "with", "byol_tracin", *small, *words) == 0
    verdicts = verify(database, [3, 4])
    assert [(verdict.verdict, verdict.reason) for verdict in verdicts] == [(IDENTICAL, "")] * 2
    assert verdicts[0].title == "evaluate byol phantom_xray seed 0"
    assert list(temporary.iterdir()) == []
    database.runs.delete_one({"_id": 2})
    (verdict,) = verify(database, [3])
    assert (verdict.verdict, verdict.reason) == (CANNOT, "it rests on run 2, and it is not in the run database")


def test_an_altered_number_and_a_dropped_score_are_named(database: Database):
    assert at(run.main, "with", "byol", "phantom", "smoke", *SMALL, *KNN) == 0
    (first,) = find_runs(database)
    second = twin(database, 1)
    assert differences_between(database, first, database, second) == []

    database.metrics.update_one({"run_id": 2, "name": "test/knn/accuracy"}, {"$inc": {"values.0": 1e-3}})
    with np.load(io.BytesIO(read_artifact(database, first, "test_scores.npz")), allow_pickle=False) as stored:
        scores = {name: array[:-1] if name == "knn/100" else array for name, array in stored.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **scores)  # type: ignore[arg-type]
    file = GridFS(database).put(buffer.getvalue(), filename="test_scores.npz")
    for artifact in second["artifacts"]:
        artifact["file_id"] = file if artifact["name"] == "test_scores.npz" else artifact["file_id"]
    second["info"]["label_subsets"][0]["sha256"] = "0" * 64

    found = differences_between(database, first, database, second)
    rows, classes = scores["knn/100"].shape
    subset, metric, dropped = (str(difference) for difference in found)
    assert subset.startswith("label subset 100 %: ")
    assert metric.startswith("metric test/knn/accuracy: step 100: ")
    assert metric.endswith("(0.001 apart)")
    assert dropped == f"test_scores.npz: knn/100: float32 [{rows + 1}, {classes}] then, float32 [{rows}, {classes}] now"
    back = differences_between(database, second, database, first)
    assert [difference.name for difference in back] == [difference.name for difference in found]
    assert judge(found, excused=True) == judge(found, excused=False) == DIFFERENT
    verdict = Verdict(1, "train byol phantom seed 0", DIFFERENT, differences=found, points=60)
    text = report([verdict])
    assert "1 of 60 metric points differ" in text
    assert metric in text
    assert dropped in text
    assert failed([verdict])
    assert json.loads(json.dumps(plain([verdict]), allow_nan=False))["verdicts"][0]["differences"][2]["count"] == 1


def test_a_file_that_an_archive_left_out_is_compared_by_its_hash(database: Database):
    assert at(run.main, "with", "byol", "phantom", "smoke", *SMALL, *KNN) == 0
    (first,) = find_runs(database)
    second = twin(database, 1)
    (scores,) = (artifact for artifact in second["artifacts"] if artifact["name"] == "test_scores.npz")
    sha256 = first["info"]["expected"]["artifacts"]["test_scores.npz"]
    without = {**scores, "file_id": ObjectId()}
    second["artifacts"] = [without if artifact is scores else artifact for artifact in second["artifacts"]]
    database.fs.files.insert_one({"_id": without["file_id"], "length": 9, "chunkSize": 9, "left_out": sha256})
    assert differences_between(database, second, database, first) == []

    database.fs.files.update_one({"_id": without["file_id"]}, {"$set": {"left_out": "0" * 64}})
    (found,) = differences_between(database, second, database, first)
    assert str(found) == f"artifact test_scores.npz: 000000000000 then, {sha256[:12]} now"
    assert judge([found], excused=False) == DIFFERENT
    assert judge([found], excused=True) == WITHIN, "its metrics say how far it may be"


def test_a_sample_has_only_what_can_be_executed_here(database: Database, caplog):
    for seed in range(2):
        synthetic.add(database, synthetic.config("byol", seed))
    on_gpu = synthetic.add(database, synthetic.config("dcl", 0))
    database.runs.update_one({"_id": on_gpu}, {"$set": {"info.provenance.device_type": "cuda"}})
    assert (on_gpu in sample(database, 9)) == torch.cuda.is_available()
    judged = synthetic.config("byol", 0)
    judged["evaluate"]["pretraining"] = 1
    elsewhere = synthetic.add(database, judged, command="evaluate")
    assert elsewhere in sample(database, 9)
    encoder = ObjectId()
    database.fs.files.insert_one({"_id": encoder, "length": 9, "chunkSize": 9, "left_out": "0" * 64})
    database.runs.update_one({"_id": 1}, {"$push": {"artifacts": {"name": "encoder.safetensors", "file_id": encoder}}})
    with caplog.at_level("INFO"):
        assert elsewhere not in sample(database, 9)
    assert "not drawn because they need networks of earlier runs, which an archive left out: 1 of 4" in caplog.text


def test_a_dropped_point_and_an_extra_series_are_named(database: Database):
    assert at(run.main, "pretrain", "with", "byol", "phantom", "smoke", *QUICK) == 0
    (first,) = find_runs(database)
    second = twin(database, 1)
    drop = dict.fromkeys(("steps", "values", "timestamps"), 1)
    database.metrics.update_one({"run_id": 2, "name": "pretrain/loss"}, {"$pop": drop})
    extra = {"run_id": 2, "name": "invented", "steps": [1], "values": [float("nan")], "timestamps": [0]}
    entry = {"name": "invented", "id": str(database.metrics.insert_one(extra).inserted_id)}
    database.runs.update_one({"_id": 2}, {"$push": {"info.metrics": entry}})
    names = [str(difference) for difference in differences_between(database, first, database, second)]
    assert [name.split(":")[0] for name in names] == ["metric pretrain/loss", "metric invented"]
    assert "missing now" in names[0]
    assert "step 1: missing then, nan now" in names[1]


def test_only_whole_finished_runs_of_ours_are_executed(database: Database):
    whole = synthetic.add(database, synthetic.config("byol", 0))
    failed_run = synthetic.add(database, synthetic.config("byol", 1), status="FAILED")
    database.metrics.delete_many({"run_id": whole})
    for run_id, complaint in (
        (whole, f"run {whole} cannot be verified, it is not whole: metric"),
        (failed_run, "status is FAILED"),
        (77, "no run 77 in the run database"),
    ):
        with pytest.raises(InputError, match=complaint):
            verify(database, [run_id])
    with pytest.raises(InputError, match="no whole run that can be executed here"):
        sample(database, 3)
    with pytest.raises(InputError, match="--sample 0"):
        sample(database, 0)


def test_a_sample_has_every_method_and_command_before_it_has_one_twice(database: Database):
    synthetic.add_study(database, ("byol", "byol_tracin", "simclr"), seeds=3)
    pretrained = [synthetic.add(database, synthetic.config("byol", seed), command="pretrain") for seed in range(3)]
    damaged = synthetic.add(database, synthetic.config("dcl", 0))
    database.metrics.delete_many({"run_id": damaged})
    runs = {each["_id"]: each for each in find_runs(database)}
    draws = {tuple(sample(database, 4, seed)) for seed in range(8)}
    assert len(draws) > 1
    for drawn in draws:
        kinds = {(runs[i]["command"], runs[i]["config"]["method"]["name"]) for i in drawn}
        assert kinds == {("train", "byol"), ("train", "byol_tracin"), ("train", "simclr"), ("pretrain", "byol")}
        assert damaged not in drawn
    assert sample(database, 4, 5) == sample(database, 4, 5)
    assert sample(database, 100) == sorted(set(runs) - {damaged})
    assert set(pretrained) < set(sample(database, 100, 1))


def test_settings_added_since_get_their_defaults_and_removed_ones_are_refused():
    config = defaults()
    assert completed(config) == config
    del config["selector"]["symmetric"]
    assert completed(config) == defaults()
    lines, _, excused = surroundings(config, {"commit": "a"}, {"commit": "a"}, {}, {})
    assert lines == ["settings that did not exist then, now at: selector.symmetric=False"]
    assert not excused
    with pytest.raises(InputError, match=r"no setting 'selector\.gone'"):
        completed({**config, "selector": {**config["selector"], "gone": 1}})


def test_networks_are_needed_only_where_the_gradients_are_taken_at_stored_ones():
    config = defaults()
    assert earlier_runs(config) == []
    config["tracin"]["pretraining"] = 5
    assert earlier_runs(config) == []
    config["tracin"]["source"] = "pretrained"
    config["evaluate"]["pretraining"] = 3
    assert earlier_runs(config) == [3, 5]


def test_code_is_told_apart_by_its_files_and_a_gpu_is_never_held_to_bits():
    config, old, new = defaults(), {"commit": "a" * 40}, {"commit": "b" * 40, "dirty": True}
    lines, _, excused = surroundings(config, old, new, {"repro/run.py": "1"}, {"repro/run.py": "2"})
    assert lines == ["commit aaaaaaaaaa then, bbbbbbbbbb with changes now", "source files that differ: repro/run.py"]
    assert excused
    lines, _, excused = surroundings(config, old, new, {"repro/run.py": "1"}, {"repro/run.py": "1"})
    assert lines[0].endswith("but every source file is the same")
    assert not excused
    cuda = {"device_type": "cuda", "device": "H200"}
    for deterministic in (False, True):
        _, lines, excused = surroundings({**config, "deterministic": deterministic}, cuda, cuda, {}, {})
        assert excused is not deterministic
        assert any("within tolerance" in line for line in lines) is not deterministic


def test_decoded_images_are_read_where_they_are_and_never_written_to(tmp_path: Path, caplog):
    home, elsewhere = Path(os.environ["REPRO_RUNS"]) / "prepared" / "home", tmp_path / "again" / "prepared"
    make(tmp_path / "source", 8)
    listing = listing_of(tmp_path / "source")
    first = prepared(listing, SIZE, home)
    before = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    link_prepared(elsewhere)
    linked = prepared(listing, SIZE, elsewhere / "home")
    assert linked.describe() == first.describe()
    assert (elsewhere / "home" / "made-16").is_symlink()
    assert "preparing it" not in caplog.text
    make(tmp_path / "source", 7, side=30)
    assert prepared(listing, SIZE, elsewhere / "home").images_sha256 != first.images_sha256
    assert "preparing it again" in caplog.text
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == before


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_interrupted_or_killed_it_leaves_nothing_behind(
    database: Database, temporary: Path, how: signal.Signals, code: int
):
    assert at(run.main, "with", "supervised", "phantom", "smoke", *SMALL, "evaluate.protocols=['finetune']") == 0
    synthetic.retell(database, {"config.evaluate.finetune.steps": 10**7}, run_id=1)
    program = (
        "import signal\n"
        "from repro.errors import front_door\n"
        "from repro.reproduce.verification.verify import verify\n"
        "from repro.store import open_database\n"
        "def main(_):\n"
        "    with open_database() as database:\n"
        "        verify(database, [1])\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it\n"
        "front_door(main)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 180
    while not (begun := list(temporary.glob("repro-verify-*/checkpoints"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(how)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    name = str(begun[0].parent)
    while how == signal.SIGKILL and (list(temporary.iterdir()) or any(name in line for line in commands())):
        assert time.monotonic() < deadline, "nobody has cleared up"
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []
    assert [line for line in commands() if name in line] == []
    assert len(find_runs(database)) == 1


def commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found
