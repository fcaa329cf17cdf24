"""Archives: the same bytes wherever they come from, the same runs wherever they go, and nothing of a bad one."""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import uuid
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bson import json_util
from gridfs import GridFS
from pymongo import MongoClient
from pymongo.database import Database
from sacred import Experiment

from repro import db
from repro.errors import InputError, StorageError
from repro.execution.recorder import Recorder
from repro.store import examine, find_runs, metric_points, open_archive, problems_of, read_artifact
from repro.store.digests import fact_sha256
from repro.store.foreign import EXPERIMENT
from repro.store.inventory import strays
from repro.store.observer import DurableObserver
from repro.store.renumber import renumbered_run
from repro.store.source import DatabaseSource
from tests.conftest import ROOT
from tests.figures import synthetic
from tests.store.test_observer import experiment, run_with
from tests.test_front_doors import at, refused

WEIGHTS = "weights.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[tuple[str, Path, Path]]:
    """The address of a database with two whole runs and a failed one, and its archives with and without weights."""
    folder = tmp_path_factory.mktemp("made")
    uri = f"{server}test_{uuid.uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as patch, MongoClient(uri) as client:
        patch.setenv("REPRO_RUNS", str(folder / "runs"))
        patch.setenv("REPRO_MONGO_URI", uri)
        database = client.get_default_database()
        for _ in range(3):
            observer = DurableObserver(database)
            run_with(observer, experiment())
            observer.finish()
        database.runs.update_one({"_id": 2}, {"$set": {"status": "FAILED"}})
        assert at(db.main, "export", str(folder / "runs.zip")) == 0
        assert at(db.main, "export", "--no-weights", str(folder / "light.zip")) == 0
        yield uri, folder / "runs.zip", folder / "light.zip"
        client.drop_database(database.name)


@pytest.fixture
def archive(made: tuple[str, Path, Path]) -> Path:
    return made[1]


@pytest.fixture
def light(made: tuple[str, Path, Path]) -> Path:
    return made[2]


def state(database: Database) -> dict[str, Any]:
    """All that a database holds, except the ids of pieces of files, which nothing refers to."""
    return {
        "runs": list(database.runs.find().sort("_id")),
        "metrics": list(database.metrics.find().sort("_id")),
        "files": list(database.fs.files.find().sort("_id")),
        "pieces": list(database.fs.chunks.find({}, {"_id": 0}).sort([("files_id", 1), ("n", 1)])),
    }


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_export_import_export_gives_the_same_bytes_and_the_same_records(
    made: tuple[str, Path, Path], archive: Path, database: Database, tmp_path: Path, capsys
):
    assert at(db.main, "import", str(archive)) == 0
    assert "3 runs imported, 0 already there" in capsys.readouterr().out
    with MongoClient(made[0]) as client:
        assert state(database) == state(client.get_default_database())
    assert at(db.main, "export", str(tmp_path / "again.zip")) == 0
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    assert at(db.main, "import", str(archive)) == 0
    assert "0 runs imported, 3 already there" in capsys.readouterr().out


def test_export_from_an_embedded_server_in_another_folder_gives_the_same_bytes(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "elsewhere"))
    assert at(db.main, "import", str(archive)) == 0
    assert at(db.main, "export", str(tmp_path / "again.zip")) == 0
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_members_are_what_the_manifest_says_sorted_timeless_and_each_content_once(archive: Path):
    with zipfile.ZipFile(archive) as zipped:
        names = zipped.namelist()
        manifest = json.loads(zipped.read("manifest.json"))
        assert {info.date_time for info in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        run = json_util.loads(zipped.read("runs/00000003/run.json"))
    assert names == [*sorted(names[:-1]), "manifest.json"]
    found = {name: {"sha256": hashlib.sha256(c).hexdigest(), "size": len(c)} for name, c in contents(archive).items()}
    found.pop("manifest.json")
    assert manifest["members"] == found
    assert (run["_id"], run["status"]) == (3, "COMPLETED")
    # Three runs with the same weights and the same source file.
    assert sum(name.startswith("files/") for name in names) == 2


def test_an_archive_is_a_source_of_runs_like_the_database(made: tuple[str, Path, Path], archive: Path):
    with MongoClient(made[0]) as client, open_archive(archive) as source:
        database = client.get_default_database()
        runs = source.runs()
        assert runs == find_runs(database)
        assert [problems_of(source, run) for run in runs] == [[], ["status is FAILED"], []]
        assert metric_points(source, [1, 3]).equals(metric_points(database, [1, 3]))
        assert metric_points(source, [3], "ra").equals(metric_points(database, [3], "ra"))
        assert read_artifact(source, runs[0], WEIGHTS) == read_artifact(database, runs[0], WEIGHTS)


def test_only_named_runs_are_exported_and_only_ended_ones(archive: Path, database: Database, tmp_path: Path, capsys):
    assert at(db.main, "import", str(archive)) == 0
    assert at(db.main, "export", str(tmp_path / "one.zip"), "3") == 0
    with open_archive(tmp_path / "one.zip") as source:
        assert source.run_ids == [3]
    database.runs.update_one({"_id": 1}, {"$set": {"status": "RUNNING"}})
    assert "run 1 is RUNNING" in refused(capsys, db.main, "export", str(tmp_path / "x.zip"), "1")
    assert "run 9 is not in" in refused(capsys, db.main, "export", str(tmp_path / "x.zip"), "9")
    assert "cannot write" in refused(capsys, db.main, "export", "/proc/x/runs.zip")
    assert at(db.main, "export", str(tmp_path / "ended.zip")) == 0
    with open_archive(tmp_path / "ended.zip") as source:
        assert source.run_ids == [2, 3]
    database.runs.delete_many({})
    assert "no run that has ended" in refused(capsys, db.main, "export", str(tmp_path / "x.zip"))
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["ended.zip", "one.zip"]


def test_without_weights_runs_are_whole_and_say_what_was_left_out(
    archive: Path, light: Path, database: Database, tmp_path: Path, capsys
):
    sha256 = hashlib.sha256(next(c for n, c in contents(archive).items() if n.startswith("files/") and len(c) > 10**6))
    said = json.loads(contents(light)["manifest.json"])["left_out"]
    assert [(item["run"], item["artifact"], item["sha256"]) for item in said] == [
        (run_id, WEIGHTS, sha256.hexdigest()) for run_id in (1, 2, 3)
    ]
    assert light.stat().st_size < 100_000 < archive.stat().st_size
    with open_archive(light) as source:
        assert problems_of(source, source.runs()[0]) == []
    assert at(db.main, "import", str(light)) == 0
    capsys.readouterr()
    assert at(db.main, "check") == 0
    printed = capsys.readouterr().out
    assert f"seed 1): whole, without {WEIGHTS}: left out when it was archived" in printed
    assert "note" not in printed
    (run, *_) = find_runs(database)
    with pytest.raises(StorageError, match=r"weights\.safetensors was left out when the run was archived"):
        read_artifact(database, run, WEIGHTS)
    for name in ("again.zip", "--no-weights"):
        assert at(db.main, "export", *([name] if name[0] == "-" else []), str(tmp_path / "again.zip")) == 0
        assert (tmp_path / "again.zip").read_bytes() == light.read_bytes()
    capsys.readouterr()
    # The whole archive brings what is lacking; then the lighter one changes nothing.
    assert at(db.main, "import", str(archive)) == 0
    assert "0 runs imported, 3 completed with files that they lacked, 0 already there" in capsys.readouterr().out
    assert at(db.main, "import", str(light)) == 0
    assert at(db.main, "export", str(tmp_path / "again.zip")) == 0
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


ALWAYS = {"selection.npz"}
KINDS = {
    "weights": {"encoder.safetensors", "model-00001.safetensors"},
    "features": {"features.npz"},
    "scores": {"test_scores.npz"},
    "pictures": {"views.pictures.npz"},
}


def illustrated() -> Experiment:
    """An experiment that stores artifacts of every kind, no two alike."""
    ex = Experiment(EXPERIMENT, save_git_info=False)
    ex.add_config(seed=1)

    @ex.main
    def run(_run) -> None:
        recorder = Recorder(_run)
        for number, name in enumerate(sorted(ALWAYS.union(*KINDS.values()) - KINDS["weights"])):
            recorder.arrays(name, {"x": np.arange(number, 300)})
        for number, name in enumerate(sorted(KINDS["weights"])):
            recorder.weights(name, {"w": torch.arange(number, 300)})
        recorder.complete()

    return ex


def stored_there(source: Any) -> set[str]:
    """The artifacts of run 1 that can be read."""
    run = source.runs()[0]
    return {a["name"] for a in run["artifacts"] if source.read(a["file_id"]) is not None}


@pytest.fixture
def lighter(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, ...], Path]:
    """Archives of a run with artifacts of every kind, by what was left out of them."""
    uri = f"{server}test_{uuid.uuid4().hex[:12]}"
    files = {left: tmp_path / f"{len(left)}{''.join(left)}.zip" for left in ((), *((k,) for k in KINDS), tuple(KINDS))}
    with monkeypatch.context() as patch, MongoClient(uri) as client:
        patch.setenv("REPRO_MONGO_URI", uri)
        observer = DurableObserver(client.get_default_database())
        run_with(observer, illustrated())
        observer.finish()
        for left, file in files.items():
            assert at(db.main, "export", *(f"--no-{kind}" for kind in left), str(file)) == 0
        client.drop_database(client.get_default_database().name)
    return files


def test_each_kind_of_artifact_stays_out_by_itself_and_the_runs_are_whole(lighter: dict[tuple[str, ...], Path]):
    everything = ALWAYS.union(*KINDS.values())
    for left, file in lighter.items():
        gone = set[str]().union(*(KINDS[kind] for kind in left))
        with open_archive(file) as source:
            run = source.runs()[0]
            assert problems_of(source, run) == []
            assert {item["artifact"] for item in source.left_out} == gone
            assert stored_there(source) == everything - gone
            for name in gone:
                (kind,) = (kind for kind, names in KINDS.items() if name in names)
                with pytest.raises(StorageError, match=rf"without its {kind}: {name} was .* without --no-{kind}$"):
                    read_artifact(source, run, name)


@pytest.mark.parametrize("order", [("weights", "pictures"), ("pictures", "features"), ("scores", "weights")])
def test_archives_that_lack_different_kinds_make_up_for_each_other(
    lighter: dict[tuple[str, ...], Path], database: Database, tmp_path: Path, capsys, order: tuple[str, str]
):
    assert at(db.main, "import", str(lighter[tuple(KINDS)])) == 0
    for kind in order:
        capsys.readouterr()
        assert at(db.main, "import", str(lighter[(kind,)])) == 0
        assert "0 runs imported, 1 completed with files that they lacked, 0 already there" in capsys.readouterr().out
        assert problems_of(database, find_runs(database)[0]) == []
    assert at(db.main, "export", str(tmp_path / "again.zip")) == 0
    assert (tmp_path / "again.zip").read_bytes() == lighter[()].read_bytes()


def test_only_what_an_archive_can_do_without_may_be_marked_as_left_out(
    lighter: dict[tuple[str, ...], Path], database: Database
):
    assert at(db.main, "import", str(lighter[()])) == 0
    (run,) = find_runs(database)
    for artifact in run["artifacts"]:
        sha256 = run["info"]["expected"]["artifacts"][artifact["name"]]
        database.fs.files.update_one({"_id": artifact["file_id"]}, {"$set": {"left_out": sha256}})
    assert problems_of(database, run) == [f"artifact {name} cannot be read" for name in sorted(ALWAYS)]


def test_a_mark_that_an_artifact_was_left_out_hides_no_other_damage(light: Path, database: Database):
    assert at(db.main, "import", str(light)) == 0
    run = database.runs.find_one({"_id": 1})
    file_id = run["artifacts"][0]["file_id"]
    database.fs.files.update_one({"_id": file_id}, {"$set": {"left_out": "0" * 64}})
    assert problems_of(database, run) == [f"artifact {WEIGHTS} is altered"]
    database.fs.files.update_one({"_id": file_id}, {"$unset": {"left_out": 1}})
    assert problems_of(database, run) == [f"artifact {WEIGHTS} cannot be read"]


def test_damage_is_exported_as_it_is_and_said(archive: Path, database: Database, tmp_path: Path, capsys):
    assert at(db.main, "import", str(archive)) == 0
    database.metrics.update_one({"run_id": 1, "name": "loss"}, {"$set": {"values.5": 9.0}})
    damaged = database.runs.find_one({"_id": 3})["artifacts"][0]["file_id"]
    database.fs.chunks.delete_one({"files_id": damaged, "n": 1})
    assert at(db.main, "export", str(tmp_path / "x.zip")) == 0
    said = capsys.readouterr().err
    assert "exported as it is: run 1: metric loss is altered" in said
    assert f"exported as it is: run 3: artifact {WEIGHTS} cannot be read" in said
    with open_archive(tmp_path / "x.zip") as source:
        runs = source.runs()
        assert [problems_of(source, r) for r in runs] == [problems_of(database, r) for r in runs]
        assert all(problems_of(source, run) for run in runs)


TAKEN: dict[str, Callable[[Database], object]] = {
    "another run": lambda database: database.runs.insert_one(
        {"_id": 3, "command": "train", "status": "COMPLETED", "config": {}, "info": {}, "artifacts": []}
    ),
    "metrics of a run that is gone": lambda database: database.metrics.insert_one({"run_id": 3, "name": "loss"}),
}


def test_runs_get_other_ids_so_that_they_fit_beside_others(
    made: tuple[str, Path, Path], archive: Path, database: Database, tmp_path: Path, monkeypatch, capsys
):
    observer = DurableObserver(database)
    run_with(observer, experiment())
    observer.finish()
    line = refused(capsys, db.main, "import", str(archive))
    assert "export --first-id 2" in line
    moved = tmp_path / "moved.zip"
    with monkeypatch.context() as patch:
        patch.setenv("REPRO_MONGO_URI", made[0])
        assert at(db.main, "export", "--first-id", "2", str(moved)) == 0
    assert at(db.main, "import", str(moved)) == 0
    runs = find_runs(database)
    assert [run["_id"] for run in runs] == [1, 2, 3, 4]
    assert [problems_of(database, run) for run in runs] == [[], [], ["status is FAILED"], []]
    with MongoClient(made[0]) as client:
        there = client.get_default_database()
        assert metric_points(there, [3])["value"].to_list() == metric_points(database, [4])["value"].to_list()
        assert read_artifact(there, find_runs(there)[2], WEIGHTS) == read_artifact(database, runs[3], WEIGHTS)
    assert not list(strays(DatabaseSource(database)))


def test_an_archive_to_be_published_names_no_machine_and_no_folder(
    made: tuple[str, Path, Path], archive: Path, database: Database, tmp_path: Path, monkeypatch
):
    there = f"INFO {platform.node()} continues from {ROOT}/runs/spool/3: see https://x.org/a/b\n"
    with monkeypatch.context() as patch, MongoClient(made[0]) as client:
        client.get_default_database().runs.update_one({"_id": 2}, {"$set": {"captured_out": there}})
        patch.setenv("REPRO_MONGO_URI", made[0])
        assert at(db.main, "export", "--nameless", str(tmp_path / "public.zip")) == 0
        client.get_default_database().runs.update_one({"_id": 2}, {"$set": {"captured_out": ""}})
    run = json_util.loads(contents(archive)["runs/00000001/run.json"])
    names = run["host"]["hostname"], run["experiment"]["base_dir"]
    assert names[0] == platform.node()
    assert Path(names[1]).is_relative_to(ROOT)
    public = b"".join(contents(tmp_path / "public.zip").values())
    assert not any(f'"{name}"'.encode() in public for name in names)
    written = json_util.loads(contents(tmp_path / "public.zip")["runs/00000002/run.json"])["captured_out"]
    assert written == "INFO HOST continues from .../3: see https://x.org/a/b\n"
    assert at(db.main, "import", str(tmp_path / "public.zip")) == 0
    found = [(finding.problems, finding.older) for finding in examine(database, find_runs(database), details=True)]
    assert found == [([], False), (["status is FAILED"], False), ([], False)]


def test_a_run_that_gets_another_id_still_names_the_run_it_rests_on(database: Database, tmp_path: Path, capsys):
    pretrained = synthetic.add(database, synthetic.config("byol", 0), command="pretrain")
    judging = synthetic.config("byol", 0)
    judging["evaluate"]["pretraining"] = pretrained
    judged = synthetic.add(database, judging, command="evaluate")
    run = database.runs.find_one({"_id": judged})
    assert run is not None
    assert problems_of(database, run) == []
    # Alone it is exported as ever; it cannot get another id without the run it names.
    assert at(db.main, "export", str(tmp_path / "alone.zip"), str(judged)) == 0
    assert "rests on run 1" in refused(
        capsys, db.main, "export", str(tmp_path / "x.zip"), str(judged), "--first-id", "5"
    )
    moved = renumbered_run(run, {pretrained: 7, judged: 9})
    assert (moved["_id"], moved["config"]["evaluate"]["pretraining"]) == (9, 7)
    facts = run["info"]["expected"]["facts"]
    assert moved["info"]["expected"]["facts"] == {**facts, "config": fact_sha256(moved["config"])}
    with pytest.raises(InputError, match=r"rests on run 1 \(evaluate.pretraining\); export that, too"):
        renumbered_run(run, {judged: 9})
    run["config"]["seed"] += 1  # altered, and so it stays
    moved = renumbered_run(run, {pretrained: 7, judged: 9})
    assert moved["info"]["expected"]["facts"] == facts


@pytest.mark.parametrize("kind", TAKEN)
def test_an_id_that_is_taken_is_refused_before_anything_is_written(
    archive: Path, database: Database, capsys, kind: str
):
    TAKEN[kind](database)
    before = state(database)
    line = refused(capsys, db.main, "import", str(archive))
    assert "run 3 of the archive runs.zip:" in line
    assert "has other runs with these ids. Nothing was imported. Set REPRO_RUNS" in line
    assert state(database) == before


@pytest.mark.parametrize("change", ["info", "metric", "file"])
def test_a_run_that_is_there_but_differs_is_refused(archive: Path, database: Database, capsys, change: str):
    assert at(db.main, "import", str(archive)) == 0
    if change == "info":
        database.runs.update_one({"_id": 1}, {"$set": {"info.note": "x"}})
    if change == "metric":
        database.metrics.update_one({"run_id": 1, "name": "loss"}, {"$set": {"values.5": 9.0}})
    if change == "file":
        file_id = database.runs.find_one({"_id": 1})["artifacts"][0]["file_id"]
        database.fs.chunks.update_one({"files_id": file_id, "n": 1}, {"$set": {"data": bytes(255 * 1024)}})
    before = state(database)
    assert "run 1 of the archive" in refused(capsys, db.main, "import", str(archive))
    assert state(database) == before


KILLED = """
import os, signal, sys
from pymongo import monitoring

class Killer(monitoring.CommandListener):
    writes = 0
    def started(self, event):
        if event.command_name in ("insert", "update") and event.database_name.startswith("test_"):
            Killer.writes += 1
            if Killer.writes == {after}:
                os.kill(os.getpid(), signal.SIGKILL)
    def succeeded(self, event): pass
    def failed(self, event): pass

monitoring.register(Killer())
from repro import db
db.main(["import", {archive!r}])
"""


@pytest.mark.parametrize("after", [1, 2, 6, 9, 11, 25])
def test_an_import_that_was_killed_and_is_repeated_ends_as_if_it_had_not_been(
    made: tuple[str, Path, Path], archive: Path, database: Database, after: int, capsys
):
    code = KILLED.format(after=after, archive=str(archive))
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for run in find_runs(database):
        if run["status"] == "COMPLETED":
            assert problems_of(database, run) == []
    if after in (6, 9):
        assert [run["status"] for run in find_runs(database)] == ["IMPORTING"]
        assert at(db.main, "check") == 0
        assert "the import of run 3 was broken off; type the same import again" in capsys.readouterr().out
    assert at(db.main, "import", str(archive)) == 0
    with MongoClient(made[0]) as client:
        assert state(database) == state(client.get_default_database())


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], object], agree: bool = True) -> Path:
    """Write an archive anew with changed members; with `agree`, its manifest agrees with them again."""
    members = contents(source)
    change(members)
    if agree:
        manifest = json.loads(members.pop("manifest.json"))
        manifest["members"] = {
            name: {"sha256": hashlib.sha256(c).hexdigest(), "size": len(c)} for name, c in members.items()
        }
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return target


def replaced(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], object]:
    def change(members: dict[str, bytes]) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    return change


RUN, METRICS = "runs/00000001/run.json", "runs/00000001/metrics.jsonl"

BAD: dict[str, tuple[Callable[[dict[str, bytes]], object], bool, str]] = {
    "altered": (replaced(METRICS, b"0.25", b"0.26"), False, "runs/00000001/metrics.jsonl is altered"),
    "longer": (lambda m: m.update({RUN: m[RUN] + b" "}), False, "which its manifest does not say"),
    "missing": (lambda m: m.pop(METRICS), False, "runs/00000001/metrics.jsonl is missing"),
    "extra": (lambda m: m.update({"runs/00000009/run.json": b""}), False, "is not in its manifest"),
    "missing, and agreed": (lambda m: m.pop(METRICS), True, "is missing or belongs to no run"),
    "no file list": (lambda m: m.pop("files.jsonl"), True, "files.jsonl"),
    "content of no file": (lambda m: m.update({"files/" + "0" * 64: b"x"}), True, "belongs to no run"),
    "a way out": (lambda m: m.update({"../x": b""}), True, "'../x' is no name of a member"),
    "an absolute name": (lambda m: m.update({"/etc/x": b""}), True, "'/etc/x' is no name of a member"),
    "a way out below runs": (lambda m: m.update({"runs/../x": b""}), True, "is no name of a member"),
    "another run's document": (replaced(RUN, b'"_id":{"$numberInt":"1"}', b'"_id":{"$numberInt":"8"}'), True,
                               "is the document of run 8"),
    "another run's metric": (replaced(METRICS, b'"run_id":{"$numberInt":"1"}', b'"run_id":{"$numberInt":"2"}'), True,
                             "has a metric of another run"),
    "not JSON": (lambda m: m.update({METRICS: b"{'a'}\n"}), True, "metrics.jsonl, line 1"),
    "not text": (lambda m: m.update({METRICS: b"\xff\xfe\n"}), True, "metrics.jsonl, line 1"),
    "not a document": (lambda m: m.update({METRICS: b"[1]\n"}), True, "it is not a document"),
    "deep JSON": (lambda m: m.update({METRICS: b"[" * 10**5 + b"\n"}), True, "metrics.jsonl, line 1"),
    "a config that is none": (replaced(RUN, b'"command":"run"', b'"command":7'), True, "'command' is missing or"),
    "a wide number": (replaced(RUN, b'"seed":{"$numberInt":"1"}', b'"seed":%d' % 2**70), True, "run.json, line 1"),
    "a newer version": (replaced("manifest.json", b'"version": 1', b'"version": 2'), False, "format version 2"),
    "another format": (replaced("manifest.json", b"additional-positive", b"other"), False, "not that of runs"),
    "manifest no JSON": (lambda m: m.update({"manifest.json": b"{"}), False, "Take a fresh copy"),
    "manifest a list": (lambda m: m.update({"manifest.json": b"[]"}), False, "is not that of runs"),
    "no manifest": (lambda m: m.pop("manifest.json"), False, "it has no manifest.json"),
    "a bomb": (lambda m: m.update({METRICS: b" " * (65 * 2**20)}), True, "would unpack to 68157440 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_archive_is_refused_with_one_line_and_nothing_is_written(
    archive: Path, database: Database, tmp_path: Path, capsys, kind: str
):
    change, agree, complaint = BAD[kind]
    bad = rewritten(archive, tmp_path / "bad.zip", change, agree)
    line = refused(capsys, db.main, "import", str(bad))
    assert complaint in line
    assert str(bad) in line
    assert all(documents == [] for documents in state(database).values())


def twice(bad: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(bad, "a") as zipped:
        warnings.simplefilter("ignore")
        zipped.writestr(RUN, b"{}")


def link(bad: Path) -> None:
    members = contents(bad)
    with zipfile.ZipFile(bad, "w") as zipped:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == RUN else 0o100644) << 16
            zipped.writestr(info, content)


def flipped(bad: Path) -> None:
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "not a zip": (lambda bad: bad.write_bytes(b"PK is not enough" * 99), "not a zip file"),
    "empty": (lambda bad: bad.write_bytes(b""), "not a zip file"),
    "truncated": (lambda bad: os.truncate(bad, bad.stat().st_size * 2 // 3), "not a zip file"),
    "a flipped bit": (flipped, "Bad CRC-32"),
    "a name twice": (twice, "is in it twice"),
    "a symbolic link": (link, "runs/00000001/run.json is not a plain file"),
    "a folder": (lambda bad: (bad.unlink(), bad.mkdir()), "Is a directory"),
    "nothing": (lambda bad: bad.unlink(), "there is no archive"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_with_one_line_and_nothing_is_written(
    archive: Path, database: Database, tmp_path: Path, capsys, kind: str
):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(archive.read_bytes())
    spoil, complaint = BROKEN[kind]
    spoil(bad)
    assert complaint in refused(capsys, db.main, "import", str(bad))
    assert all(documents == [] for documents in state(database).values())


def test_any_flipped_byte_of_an_archive_is_refused_or_changes_no_record(archive: Path, tmp_path: Path):
    whole, bad = archive.read_bytes(), tmp_path / "bad.zip"
    with open_archive(archive) as source:
        runs = source.runs()
    refusals = 0
    for place in range(0, len(whole), len(whole) // 60):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        try:
            with open_archive(bad) as source:
                assert source.runs() == runs
                assert [problems_of(source, run) for run in runs] == [[], ["status is FAILED"], []]
        except InputError:
            refusals += 1
    assert refusals > 50


def test_strays_are_noted_and_are_no_damage(archive: Path, database: Database, capsys):
    assert at(db.main, "import", str(archive)) == 0
    database.runs.update_many({}, {"$set": {"info.cell": "train-x"}})
    runs = find_runs(database)
    database.metrics.insert_one({"run_id": 99, "name": "loss"})
    stray = GridFS(database).put(b"x", filename="stray", metadata={"sha256": "0", "run_id": 99})
    GridFS(database).put(b"x", filename="of others")
    database.fs.chunks.insert_one({"files_id": "gone", "n": 0, "data": b""})
    shared = runs[0]["artifacts"][0]
    database.runs.update_one({"_id": 3}, {"$push": {"resources": ["w", shared["file_id"]]}})
    capsys.readouterr()
    assert at(db.main, "check") == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: runs 1, 3 are whole runs of the same cell, train-x; figures draw the newest",
        "note: 1 metrics are of run 99, which is not there: deleted, or of an experiment that shares them",
        f"note: file {stray} (stray) of run 99 is mentioned by no run",
        "note: 1 files are of other experiments",
        "note: pieces of a file gone are there without the file",
        f"note: file {shared['file_id']} is mentioned twice: as {WEIGHTS} of run 1 and w of run 3",
    ]
    before = state(database)
    assert at(db.main, "check") == 0
    assert state(database) == before
    capsys.readouterr()
    source = database.runs.find_one({"_id": 1})["experiment"]["sources"][0]
    database.fs.chunks.delete_many({"files_id": source[1]})
    assert at(db.main, "check") == 1  # of a run without its code nobody can tell what it did
    said = capsys.readouterr().out
    assert said.count(": a stored source is altered") == 2
    assert f"note: source {source[0]}, which 3 runs mention, cannot be read" in said


def test_scores_of_the_lowest_seeds_alone_come_along_where_that_is_asked_for(database: Database, tmp_path: Path):
    """Other artifacts stay, and what stayed behind is told. A run that was interrupted makes no seed more."""
    seeds = {
        synthetic.add(database, synthetic.config(method, seed), status=status): seed
        for method in ("byol", "dcl")
        for seed, status in ((0, "INTERRUPTED"), (2, "COMPLETED"), (0, "COMPLETED"), (1, "COMPLETED"))
    }
    for run_id in seeds:
        for name in ("test_scores.npz", "selection.npz"):
            file_id = GridFS(database).put(f"{name} {run_id}".encode(), filename=name)
            item = {"name": name, "file_id": file_id}
            database.runs.update_one({"_id": run_id}, {"$pull": {"artifacts": {"name": name}}})
            database.runs.update_one({"_id": run_id}, {"$push": {"artifacts": item}})
    assert at(db.main, "export", "--scores-of", "2", str(tmp_path / "two.zip")) == 0
    with open_archive(tmp_path / "two.zip") as archive:
        left_out = {(item["run"], item["artifact"]) for item in archive.left_out}
    assert left_out == {(run_id, "test_scores.npz") for run_id, seed in seeds.items() if seed == 2}


def test_sources_are_compressed_and_files_of_numbers_are_not(made: tuple[str, Path, Path]):
    with zipfile.ZipFile(made[1]) as archive:
        kinds = {info.filename: info.compress_type for info in archive.infolist()}
        entries = [json.loads(line) for line in archive.open("files.jsonl")]
    assert {entry["file"]["filename"].endswith(".py") for entry in entries} == {True, False}
    for entry in entries:
        packed = kinds[f"files/{entry['sha256']}"] == zipfile.ZIP_DEFLATED
        assert packed == entry["file"]["filename"].endswith(".py")
