"""The doctor's findings, each brought about for real where that can be done, and held against the system's own word."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import repro.doctor
from repro import run
from repro.data.sources.lesions import SPLIT_INFO
from repro.doctor import (
    CHEAP,
    __main__,
    before_work,
    containers,
    folders,
    interpreter,
    load,
    memory,
    questions,
    runs,
    variables,
)
from repro.doctor import images as pictures
from repro.doctor.finding import Finding
from repro.errors import InputError
from repro.ranks import VARIABLES
from repro.store.delivery import spool_folder
from repro.store.journal import Journal
from tests.conftest import ROOT
from tests.data.test_layout import as_published, kaggle
from tests.data.test_medmnist import arrays, written
from tests.storage import storage
from tests.store.test_foreign import other_run
from tests.test_front_doors import at, refused


@pytest.fixture(autouse=True)
def usual_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


def lines(found: list[Finding], level: str) -> list[str]:
    return [finding.line for finding in found if finding.level == level]


def test_every_file_is_a_question_with_a_title():
    files = {file.stem for file in Path(repro.doctor.__file__).parent.glob("*.py")} - {
        "__init__",
        "__main__",
        "finding",
    }
    assert {module.__name__.rpartition(".")[2] for module in questions()} == files
    assert all(module.TITLE for module in questions())


@pytest.mark.slow
def test_the_command_tells_each_finding_in_a_line_and_as_json(tmp_path: Path):
    environment = {**os.environ, "REPRO_DATA": str(tmp_path)}
    line = [sys.executable, "-m", "repro.doctor", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    found = json.loads((tmp_path / "found.json").read_text())
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(found) + 1
    assert done.stdout.splitlines()[-1] == f"{len(found)} checks, no problem found"
    assert {"Python", "memory", "folders", "GPU", "runs", "Docker"} <= {one["question"] for one in found}
    assert not any(one["level"] == "fails" for one in found)


def test_a_data_set_is_found_in_whatever_layout_and_its_missing_images_are_told(folder: Path):
    as_published(folder.parent, "isic2019")
    images = as_published(folder.parent, "chestxray14")
    kaggle(folder.parent, "isic2019")
    (folder.parent / "chestxray14").rename(folder.parent / "archive")
    for image in images[:7]:
        (folder.parent / "archive" / image).unlink()
    written(folder, arrays())
    found = list(pictures.findings())
    assert any(line.startswith("isic2019: ") and " train, " in line for line in lines(found, "fine"))
    (told,) = lines(found, "note")
    assert told.startswith(f"chestxray14: 7 of {len(images)} images are missing in {folder.parent / 'archive'}")
    assert "data.allow_missing=True" in told
    told = "\n".join(lines(found, "fine"))
    assert "medmnist: dermamnist at 28 px" in told
    assert f"{SPLIT_INFO}, pneumoniamnist.npz, breastmnist.npz, chestmnist.npz would be downloaded" in told
    assert "kermany: not here; `python -m repro.data fetch kermany` gets it" in told


def test_bad_usage_is_exit_code_2(capsys):
    assert "unrecognized arguments: --jsno" in refused(capsys, __main__.main, "--jsno")


def test_something_that_will_fail_is_exit_code_1_and_stops_the_front_door_before_work(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setattr(__main__, "questions", lambda: [variables])
    assert at(__main__.main) == 1
    assert "FAILS   variables   RANK=3, but WORLD_SIZE is not set" in capsys.readouterr().out
    with pytest.raises(InputError, match="RANK=3, but WORLD_SIZE is not set"):
        before_work("reproduce")
    before_work("figures")  # which read no such variable
    words = ["with", "random_init", "phantom", "smoke", "data.limit=64"]
    assert "RANK=3" in refused(capsys, run.main, *words)


def test_the_cheap_questions_do_not_import_torch_and_take_a_moment():
    code = (
        "import sys, time; began = time.process_time(); from repro.doctor import before_work; before_work('run'); "
        "before_work('figures'); print(time.process_time() - began, 'torch' in sys.modules, 'sacred' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    seconds, torch, sacred = done.stdout.split()
    assert (torch, sacred) == ("False", "False")
    assert float(seconds) < 5
    assert set(CHEAP) <= {module.__name__.rpartition(".")[2] for module in questions()}


def test_the_lock_is_read_as_pip_would(monkeypatch):
    (said, *_) = interpreter.findings()
    assert "the lock has packages for Python 3.11 to 3.13 on Linux aarch64, Linux x86_64, macOS arm64" in said.line
    from packaging import tags

    monkeypatch.setattr(tags, "sys_tags", lambda: [tags.Tag("cp39", "cp39", "win32")])
    assert "the lock has no torch and no secantusdb for it" in lines(list(interpreter.findings()), "fails")[0]


def test_half_set_variables_of_a_cluster_are_told(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    (told,) = lines(list(variables.findings()), "fails")
    assert told.startswith("WORLD_SIZE=4, but RANK and MASTER_ADDR and MASTER_PORT not set. Start all of them")


def test_variables_that_surprise_are_told_with_their_cure(monkeypatch, tmp_path: Path):
    deep = tmp_path / ("0123456789" * 8)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    for name, word in {
        "TMPDIR": str(deep),
        "HOME": "/dev/null",
        "OMP_NUM_THREADS": "4096",
        "OMP_WAIT_POLICY": "active",
        "OMP_PROC_BIND": "true",
        "CUDA_VISIBLE_DEVICES": "",
        "REPRO_RUN": "x",
    }.items():
        monkeypatch.setenv(name, word)
    told = "\n".join(lines(list(variables.findings()), "note"))
    for word in (
        f"TMPDIR has {len(str(deep))} characters, too many for sockets",
        "HOME=/dev/null cannot be written to, which nothing here needs. For ImageNet weights point TORCH_HOME",
        "OMP_NUM_THREADS=4096, but",
        "OMP_WAIT_POLICY=ACTIVE",
        "OMP_PROC_BIND binds threads",
        "CUDA_VISIBLE_DEVICES hides every GPU",
        "REPRO_RUN is set, which the kit does not read. Did you mean 'REPRO_RUNS'?",
    ):
        assert word in told
    assert lines(list(variables.findings()), "fails") == []


def test_folders_say_what_their_storage_has_left_and_can_do(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "none"))
    found = list(folders.findings())
    free = shutil.disk_usage(tmp_path).free / 1e9
    (own,) = [finding for finding in found if finding.what.startswith(f"REPRO_RUNS {tmp_path / 'runs'}: ")]
    assert float(own.what.split(": ")[1].split(" GB")[0]) == pytest.approx(free, rel=0.05, abs=0.5)
    assert f"REPRO_DATA {tmp_path / 'none'} is not there" in lines(found, "note")[0]
    assert lines(found, "fails") == []
    assert list(tmp_path.iterdir()) == []  # to look leaves nothing


def test_a_folder_that_cannot_be_made_is_told(monkeypatch, tmp_path: Path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPRO_RUNS", str(tmp_path / "file" / "runs"))
    (told,) = lines(list(folders.findings()), "fails")
    assert told == (
        f"REPRO_RUNS {tmp_path / 'file' / 'runs'} cannot be written to (Not a directory). "
        "Point REPRO_RUNS to a folder of your own"
    )


@pytest.mark.parametrize(
    ("kind", "level", "complaint"),
    [
        ("NO_LOCKS", "fails", "is on storage without file locks. Point REPRO_RUNS to a local disk"),
        ("NO_LINKS", "note", "has no hard links; records are safe anyway"),
        ("NO_FOLDER_SYNC", "note", "has no fsync of folders; records are safe anyway"),
    ],
)
def test_what_storage_cannot_do_is_told(tmp_path: Path, kind: str, level: str, complaint: str):
    code = "from repro.doctor import folders\nfor f in folders.findings(): print(f.level, f.line)"
    environment = {**os.environ, **storage(tmp_path, kind)}
    line = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    (told,) = [line for line in done.stdout.splitlines() if "REPRO_RUNS" in line and line.startswith(level)]
    assert complaint in told


def machine(root: Path, files: dict[str, str]) -> Path:
    """Write a system's files below a folder."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


MEMINFO = "MemTotal:       32000000 kB\nMemFree:  100 kB\nMemAvailable:   16000000 kB\n"


def test_memory_of_a_container_is_what_its_control_group_leaves(tmp_path: Path):
    root = machine(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/job/7\n"})
    group = root / "sys/fs/cgroup/job"
    machine(group, {"7/memory.max": "max", "7/memory.current": "0", "7/memory.stat": "anon 1\n"})
    machine(group, {"memory.max": "4000000000", "memory.current": "3500000000"})
    machine(group, {"memory.stat": "anon 1\ninactive_file 200000000\n"})
    (told,) = lines(list(memory.findings(root)), "fails")
    assert told.startswith("0.7 GB free to this process; a run takes at least 1 GB. Stop something else")
    machine(group, {"memory.max": "3000000000", "memory.current": "500000000", "memory.stat": "anon 1\n"})
    (told,) = lines(list(memory.findings(root)), "note")
    assert told.startswith("2.5 GB free to this process. One run at a time")
    machine(group, {"memory.max": "max"})
    assert lines(list(memory.findings(root)), "fine") == ["16.4 GB free to this process"]


def test_load_is_the_systems_own():
    (own,) = load.findings()
    assert own.what.startswith(f"{len(os.sched_getaffinity(0))} ")
    busy = float(re.findall(r"(\d+\.\d) ", own.what)[0])
    assert busy == pytest.approx(os.getloadavg()[0], abs=0.5)


def test_a_run_database_and_other_experiments_in_it_are_told(database):
    other_run(database)
    database.runs.insert_one({"_id": 9, "info": {"cell": "x"}, "status": "COMPLETED"})
    assert [finding.line for finding in runs.findings()] == [
        "the run database (that of REPRO_MONGO_URI) answers: 1 runs of this kit",
        "1 run is of other experiments (cifar_baseline: 1): never checked, drawn or exported",
    ]


def test_records_that_wait_are_told_but_not_those_of_runs_at_work(database):
    spool_folder().mkdir(parents=True)
    at_work, ended = (Journal.begin(spool_folder() / name) for name in ("1-x", "2-x"))
    ended.close(delete=False)
    (told,) = lines(list(runs.findings()), "note")
    assert told == f"records of 1 ended runs wait in {spool_folder()}. The next run writes them to the database"
    at_work.close(delete=False)
    assert "records of 2 ended runs wait" in lines(list(runs.findings()), "note")[0]


def test_a_run_database_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setenv("REPRO_MONGO_URI", "mongodb://127.0.0.1:9/repro")
    began = time.monotonic()
    (told,) = lines(list(runs.findings()), "fails")
    assert "no run database answers at 127.0.0.1:9" in told
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("sign", containers.INSIDE)
def test_a_container_is_not_asked_for_docker(tmp_path: Path, sign: str):
    (tmp_path / "run").mkdir()
    (tmp_path / sign).touch()
    (told,) = containers.findings(tmp_path)
    assert "container" in told.what
    assert told.level == "fine"
