"""The Ray engine on two nodes of one machine: as the local engine, but at once, and past the loss of a node."""

import platform
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from pymongo.database import Database

from repro.errors import InputError
from repro.reproduce.study.cells import Cell
from repro.reproduce.study.status import standings
from repro.store import find_runs, metric_points, open_database, problems_of

ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")
from ray.cluster_utils import Cluster  # noqa: E402

from repro.reproduce.engines import cluster as engine  # noqa: E402


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run database that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        monkeypatch.setenv("REPRO_MONGO_URI", f"mongodb://me:hunter2@127.0.0.1:{probe.getsockname()[1]}/repro")


@pytest.fixture(scope="module")
def environment(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a node inherits when it is started: the run database and the run folder of this module."""
    return {
        "REPRO_MONGO_URI": f"{server}cluster_{uuid.uuid4().hex[:12]}",
        "REPRO_RUNS": str(tmp_path_factory.mktemp("runs")),
    }


@pytest.fixture
def database(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The run database of the nodes, empty."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with open_database() as database:
        yield database
        database.client.drop_database(database.name)


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str]) -> Iterator[Cluster]:
    """A head that computes nothing; it takes seconds to start, so all tests share it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield made
    made.shutdown()


@pytest.fixture
def nodes(cluster: Cluster, database: Database) -> Iterator[Cluster]:
    """The head, and two nodes of one core."""
    while len(cluster.worker_nodes) < 2:
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()


@pytest.fixture
def lost_nodes(nowhere: None) -> Iterator[Cluster]:
    """A head with one core whose run database is not there."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def seeds(cell: Cell, count: int, **more: object) -> list[Cell]:
    return [Cell(cell.named, {**cell.updates, **more, "seed": seed}, cell.task) for seed in range(count)]


def test_cells_run_on_both_nodes_and_in_the_order_they_need(database: Database, study: list[Cell], nodes: Cluster):
    random_init, byol, transfer = study
    broken = Cell(byol.named, {**byol.updates, "pretrain.warmup_epochs": 99}, byol.task)
    carried = Cell(transfer.named, transfer.updates, transfer.task, broken)
    failures = engine.run_missing([random_init, byol, transfer, broken, carried], nodes.address, 1, None)
    assert [failure.cell for failure in failures] == [broken, carried]
    assert "is more than pretrain.epochs" in failures[0].reason
    assert "has no whole run" in failures[1].reason
    assert [s.state for s in standings(database, study)] == ["done"] * 3
    whole = [run for run in find_runs(database) if run["status"] == "COMPLETED"]
    assert [problems_of(database, run) for run in whole] == [[]] * 3
    assert {run["info"]["provenance"]["threads"] for run in whole} == {1}
    assert engine.run_missing(study, nodes.address, 1, None) == []
    assert len(find_runs(database)) == 4


def test_the_cells_of_a_node_that_is_lost_run_again_on_the_other(database: Database, study: list[Cell], nodes: Cluster):
    cells = seeds(study[1], 4, **{"pretrain.epochs": 60, "pretrain.checkpoint_every": 1})
    failures: list[object] = []
    working = threading.Thread(target=lambda: failures.append(engine.run_missing(cells, nodes.address, 1, None)))
    working.start()
    while [s.state for s in standings(database, cells)].count("running") < 2:
        assert working.is_alive()
        time.sleep(0.1)
    time.sleep(1.0)
    nodes.remove_node(nodes.worker_nodes.copy().pop(), allow_graceful=False)
    working.join(900)
    assert failures == [[]]
    assert [s.state for s in standings(database, cells)] == ["done"] * 4
    runs = find_runs(database)
    assert "INTERRUPTED" in {run["status"] for run in runs}, "a node was lost while it worked"
    whole = [run["_id"] for run in runs if run["status"] == "COMPLETED"]
    points = metric_points(database, whole, "pretrain/loss")
    assert points.groupby(["run_id", "name"]).size().loc[:, "pretrain/loss"].tolist() == [60] * 4


def test_several_machines_need_a_run_database_that_all_can_reach(monkeypatch: pytest.MonkeyPatch, study: list[Cell]):
    monkeypatch.delenv("REPRO_MONGO_URI", raising=False)
    with pytest.raises(InputError, match="REPRO_MONGO_URI"):
        engine.run_missing(study, "10.0.0.1:6379", 1, None)


def test_a_machine_that_does_not_reach_the_run_database_says_which_and_why(lost_nodes: Cluster, study: list[Cell]):
    (failure,) = engine.run_missing(study[:1], lost_nodes.address, 1, None, patience=1.0)
    assert failure.reason.startswith(f"on {platform.node()}: no run database answers at 127.0.0.1:")
    assert "hunter2" not in failure.reason


def test_a_cell_that_wants_more_than_there_is_is_refused(database: Database, study: list[Cell], nodes: Cluster):
    with pytest.raises(InputError, match="needs 3 CPU, but the cluster has 2"):
        engine.run_missing(study, nodes.address, 3, None)
    ray.shutdown()
    with pytest.raises(InputError, match="needs 1 GPU, but the cluster has 0"):
        engine.run_missing(study, nodes.address, 1, 1)
