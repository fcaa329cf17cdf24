"""The durable observer, on a real server, through real outages."""

import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from gridfs import GridFS, GridIn
from pymongo import MongoClient
from pymongo.database import Database
from sacred import SETTINGS, Experiment
from sacred.observers import MongoObserver

from repro.errors import StorageError
from repro.execution.recorder import Recorder
from repro.store import metric_points, problems_of, read_artifact
from repro.store.delivery import deliver_left_over, spool_folder
from repro.store.foreign import EXPERIMENT
from repro.store.observer import DurableObserver
from tests.store.outage import Relay

POINTS = 400

SETTINGS.DISCOVER_SOURCES = "none"


@pytest.fixture
def relay(database: Database) -> Iterator[Relay]:
    assert database.client.address is not None
    relay = Relay(database.client.address[1])
    yield relay
    relay.close()


@pytest.fixture
def through(relay: Relay, database: Database) -> Iterator[Database]:
    """The same database, reached through the relay."""
    with MongoClient(
        "127.0.0.1", relay.port, serverSelectionTimeoutMS=300, connectTimeoutMS=300, directConnection=True
    ) as client:
        yield client.get_database(database.name)


def experiment(relay: Relay | None = None, cut_at: tuple[int, ...] = (), mend_at: tuple[int, ...] = ()) -> Experiment:
    """An experiment that logs POINTS points of two metrics and an artifact of 1 MB, across commanded outages."""
    ex = Experiment(EXPERIMENT, base_dir=str(Path(__file__).parent), save_git_info=False)
    ex.add_source_file(__file__)
    ex.add_config(seed=1, rate=0.1, nested={"list": [1, 2], "text": "x"})

    @ex.main
    def run(_run) -> float:
        recorder = Recorder(_run)
        for i in range(POINTS):
            if i in cut_at:
                relay.cut()
            if i in mend_at:
                relay.mend()
            recorder.metric("loss", 1 / (i + 1), i)
            recorder.metric("rate", float(i % 7), i)
            time.sleep(0.001)
        recorder.weights("weights.safetensors", {"w": torch.arange(250_000.0)})
        recorder.info(answer={"value": 42})
        recorder.complete()
        return 0.5

    return ex


def run_with(observer: object, ex: Experiment) -> object:
    ex.observers.append(observer)
    original = ex._create_run

    def quick(*args: object, **kwargs: object) -> object:
        run = original(*args, **kwargs)
        run.beat_interval = 0.05
        return run

    ex._create_run = quick
    return ex.run()


def whole(database: Database, run_id: int) -> None:
    run = database.runs.find_one({"_id": run_id})
    assert run is not None
    assert run["status"] == "COMPLETED"
    assert problems_of(database, run) == []
    points = metric_points(database, [run_id])
    loss = points[points["name"] == "loss"]
    assert loss["step"].tolist() == list(range(POINTS))
    assert loss["value"].tolist() == [1 / (i + 1) for i in range(POINTS)]
    assert len(read_artifact(database, run, "weights.safetensors")) > 1_000_000
    assert run["info"]["answer"] == {"value": 42}
    assert run["result"] == 0.5


def test_a_run_is_stored_whole_and_its_spool_removed(database: Database):
    observer = DurableObserver(database)
    run_with(observer, experiment())
    observer.finish()
    whole(database, observer.run_id)
    assert list(spool_folder().glob("*")) == []


def test_a_run_stopped_before_it_has_begun_is_not_on_record_as_running(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    observer = DurableObserver(database)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(observer, "_keep_sources", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_with(observer, experiment())
    assert (observer.run_id, database.runs.count_documents({})) == (None, 0)
    assert list(spool_folder().glob("*")) == []
    observer.finish()
    run_with(observer, experiment())
    observer.finish()
    whole(database, observer.run_id)


def test_documents_are_those_of_sacreds_own_observer(database: Database):
    observer = DurableObserver(database)
    ours_id = run_with(observer, experiment())._id
    observer.finish()
    theirs_id = run_with(MongoObserver.create(client=database.client, db_name=database.name), experiment())._id
    ours, theirs = (database.runs.find_one({"_id": i}) for i in (ours_id, theirs_id))
    assert theirs_id == ours_id + 1
    assert ours.keys() == theirs.keys()
    for key in ("experiment", "config", "meta", "status", "result", "format", "command", "resources"):
        if key == "experiment":
            for run in (ours, theirs):
                names = [name for name, _ in run[key].pop("sources")]
                assert names == ["test_observer.py"], names
        assert ours[key] == theirs[key], key
    assert [m["name"] for m in ours["info"]["metrics"]] == [m["name"] for m in theirs["info"]["metrics"]]
    for name in ("loss", "rate"):
        mine, peer = (database.metrics.find_one({"run_id": i, "name": name}) for i in (ours_id, theirs_id))
        assert mine["steps"] == peer["steps"]
        assert mine["values"] == peer["values"]
        assert {type(t) for t in mine["timestamps"]} == {type(t) for t in peer["timestamps"]}
        assert peer.keys() <= mine.keys()
    mine, peer = (run["artifacts"][0] for run in (ours, theirs))
    files = GridFS(database)
    assert files.get(mine["file_id"]).read() == files.get(peer["file_id"]).read()
    assert files.get(mine["file_id"]).filename == f"artifact://runs/{ours_id}/weights.safetensors"


def test_outages_while_running_lose_nothing(database: Database, through: Database, relay: Relay):
    observer = DurableObserver(through)
    run_with(observer, experiment(relay, cut_at=(50, 200, 300), mend_at=(120, 250, 390)))
    observer.finish()
    whole(database, observer.run_id)


def test_an_outage_at_the_end_is_waited_for(database: Database, through: Database, relay: Relay):
    observer = DurableObserver(through, patience=20)
    run_with(observer, experiment(relay, cut_at=(100,)))
    threading.Timer(1.5, relay.mend).start()
    observer.finish()
    whole(database, observer.run_id)


def test_an_outage_that_does_not_end_leaves_the_record_in_the_spool_and_says_so(
    database: Database, through: Database, relay: Relay
):
    observer = DurableObserver(through, patience=0.5)
    run_with(observer, experiment(relay, cut_at=(100,)))
    with pytest.raises(StorageError, match=r"Nothing is lost: it waits in .*spool"):
        observer.finish()
    assert database.runs.find_one({"_id": observer.run_id})["status"] == "RUNNING"
    assert deliver_left_over(database) == [observer.run_id]
    whole(database, observer.run_id)
    assert deliver_left_over(database) == []


def test_a_file_on_a_slow_line_is_no_outage(database: Database, monkeypatch: pytest.MonkeyPatch):
    write = GridIn.write

    def slowly(stored: GridIn, piece: bytes) -> None:
        time.sleep(0.15)
        write(stored, piece)

    monkeypatch.setattr(GridIn, "write", slowly)
    observer = DurableObserver(database, patience=0.4)  # the file takes four times as long
    run_with(observer, experiment())
    began = time.monotonic()
    observer.finish()
    assert time.monotonic() - began > 0.4
    whole(database, observer.run_id)


def test_delivering_a_journal_twice_changes_nothing(database: Database, through: Database, relay: Relay):
    from repro.store.delivery import apply
    from repro.store.journal import Journal

    observer = DurableObserver(through, patience=0.3)
    run_with(observer, experiment(relay, cut_at=(100,)))
    with pytest.raises(StorageError):
        observer.finish()
    (folder,) = spool_folder().glob("*")
    journal = Journal(folder)
    for _ in range(2):
        for entry, _ in journal.entries():
            apply(database, entry, folder)
    journal.close(delete=False)
    whole(database, observer.run_id)
    assert database.fs.files.count_documents({"metadata.run_id": observer.run_id}) == 2  # a source and an artifact


def test_a_run_whose_record_reads_back_damaged_is_marked_incomplete(database: Database):
    ex = experiment()
    observer = DurableObserver(database)
    run_with(observer, ex)
    assert observer._courier is not None
    assert observer._courier.finish(10)
    database.metrics.update_one({"name": "loss"}, {"$pop": {"values": 1, "steps": 1, "timestamps": 1}})
    with pytest.raises(StorageError, match="metric loss has 399 of 400 points"):
        observer.finish()
    assert database.runs.find_one({"_id": observer.run_id})["status"] == "INCOMPLETE"


def test_a_disk_that_is_full_at_the_end_is_said_and_the_record_is_not_thrown_away(database: Database):
    observer = DurableObserver(database)
    ex = experiment()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @ex.command
    def fill(_run) -> None:
        # From here on no file of this process may grow: every write to the journal fails, as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (observer._journal.length, hard))
        _run.log_scalar("loss", 1.0, 1)

    ex.observers.append(observer)
    try:
        ex.run("fill")
        with pytest.raises(StorageError, match="the disk is full"):
            observer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert database.runs.find_one({"_id": observer.run_id})["status"] == "RUNNING"
    assert list(spool_folder().glob("*/journal.jsonl"))


def test_a_record_that_the_database_can_never_take_is_not_taken_for_delivered(database: Database):
    observer = DurableObserver(database, patience=0.5)
    ex = Experiment(EXPERIMENT, save_git_info=False)
    ex.add_config(seed=1)

    @ex.main
    def run(_run) -> None:
        _run.info["too_big"] = 2**70  # BSON ends at 64 bits

    run_with(observer, ex)
    with pytest.raises(StorageError, match="did not take all of its record"):
        observer.finish()
    assert list(spool_folder().glob("*/journal.jsonl"))


def test_a_damaged_journal_is_put_aside_and_does_not_stop_the_others(
    database: Database, through: Database, relay: Relay, caplog
):
    observer = DurableObserver(through, patience=0.3)
    run_with(observer, experiment(relay, cut_at=(100,)))
    with pytest.raises(StorageError):
        observer.finish()
    (good,) = spool_folder().glob("*")
    zeros = good.with_name("0" + good.name)
    zeros.mkdir()
    (zeros / "journal.jsonl").write_bytes(bytes(100) + b"\n")
    foreign = good.with_name("7-0123456789abcdef")
    foreign.mkdir()
    assert deliver_left_over(database) == [observer.run_id]
    whole(database, observer.run_id)
    assert {folder.name for folder in spool_folder().glob("*")} == {zeros.name + ".damaged", foreign.name}
    assert "another database address" in caplog.text


def test_a_run_that_breaks_is_recorded_as_failed_with_its_trace(database: Database):
    ex = Experiment(EXPERIMENT, save_git_info=False)
    ex.add_config(seed=1)

    @ex.main
    def run() -> None:
        raise ArithmeticError("a bug")

    observer = DurableObserver(database)
    with pytest.raises(ArithmeticError):
        run_with(observer, ex)
    observer.finish()
    stored = database.runs.find_one({"_id": observer.run_id})
    assert stored["status"] == "FAILED"
    assert "a bug" in "".join(stored["fail_trace"])


def test_an_observer_that_records_a_second_run_starts_anew(database: Database):
    observer = DurableObserver(database)
    for _ in range(2):
        run_with(observer, experiment())
        observer.finish()
    for run_id in (1, 2):
        whole(database, run_id)
    ids = [{metric["id"] for metric in run["info"]["metrics"]} for run in database.runs.find()]
    assert ids[0].isdisjoint(ids[1])
    assert database.metrics.count_documents({}) == 4


def test_a_run_that_nobody_finished_is_finished_before_its_observer_records_another(database: Database):
    observer = DurableObserver(database)
    ex = experiment()
    run_with(observer, ex)
    ex.run()
    observer.finish()
    for run_id in (1, 2):
        whole(database, run_id)
    assert list(spool_folder().glob("*")) == []


def test_artifacts_keep_their_metadata_and_have_a_content_type(database: Database, tmp_path: Path):
    """As Sacred's own observer stores them, so that GridFS clients and incense know what they get."""
    files = {"curve.png": "image/png", "points.csv": "text/csv", "w.safetensors": "application/octet-stream"}
    ex = Experiment("files", save_git_info=False)

    @ex.main
    def run(_run) -> None:
        for name in files:
            (tmp_path / name).write_bytes(b"content of " + name.encode())
            _run.add_artifact(tmp_path / name, metadata={"shown": name, "seeds": (1, 2)})
        _run.add_artifact(tmp_path / "points.csv", name="plain", content_type="text/plain")

    observer = DurableObserver(database)
    ex.observers += [observer, MongoObserver(client=database.client, db_name=database.name)]
    ex.run()
    with pytest.raises(StorageError, match="it does not say what it should hold"):
        observer.finish()
    ours_id, theirs_id = 2, 1  # Sacred begins its own observer first
    assert database.runs.find_one({"_id": ours_id})["fail_trace"] == [
        "it reads back damaged: it does not say what it should hold\n"
    ]
    for name, kind in {**files, "plain": "text/plain"}.items():
        ours, theirs = (
            GridFS(database).find_one({"filename": f"artifact://runs/{i}/{name}"}) for i in (ours_id, theirs_id)
        )
        assert ours is not None
        assert theirs is not None
        assert ours.content_type == kind
        assert theirs.content_type in (kind, None)
        assert ours.read() == theirs.read()
        if name in files:
            assert ours.metadata == {
                "shown": name,
                "seeds": [1, 2],
                "run_id": ours_id,
                "sha256": ours.metadata["sha256"],
            }


def test_sources_are_stored_once_however_many_runs_share_them(database: Database):
    for _ in range(3):
        observer = DurableObserver(database)
        run_with(observer, experiment())
        observer.finish()
    assert database.fs.files.count_documents({"filename": {"$regex": "test_observer.py$"}}) == 1
    assert len(database.runs.find_one({"_id": 3})["experiment"]["sources"]) == 1


@pytest.mark.slow
def test_a_metric_with_more_points_than_a_document_can_hold_is_stored_whole(database: Database):
    """450,000 points would pass MongoDB's 16 MB; they come back in order, from several documents."""
    ex = Experiment(EXPERIMENT, base_dir=str(Path(__file__).parent), save_git_info=False)
    values = torch.rand(450_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).tolist()

    @ex.main
    def run(_run) -> None:
        recorder = Recorder(_run)
        for step, value in enumerate(values):
            recorder.metric("long", value, step)
        recorder.complete()

    observer = DurableObserver(database)
    run_with(observer, ex)
    observer.finish()
    stored = database.runs.find_one({"_id": observer.run_id})
    assert stored is not None
    assert problems_of(database, stored) == []
    assert [entry["name"] for entry in stored["info"]["metrics"]] == ["long"] * 3
    points = metric_points(database, [stored["_id"]])
    assert points["step"].tolist() == list(range(450_000))
    assert points["value"].tolist() == values
