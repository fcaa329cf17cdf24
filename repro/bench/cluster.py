"""Do two Ray nodes of one core each run a study nearly twice as fast as one?"""

import time
from collections.abc import Iterator

from repro.bench.comparison import LEAST, Comparison
from repro.bench.temporary_database import own_database
from repro.reproduce.engines import cluster
from repro.reproduce.study.cells import Cell

REPEATS = 2

CELLS = 8
SETTINGS = {"pretrain.epochs": 8, "evaluate.protocols": ["knn"], "evaluate.fractions": [1.0]}
"""A cell of about twenty seconds on one thread: long beside the start of a worker."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield how many cells a minute two nodes run, beside one node."""
    one, two = [], []
    for _ in range(repeats):
        one.append(CELLS / _minutes(nodes=1))
        two.append(CELLS / _minutes(nodes=2))
    what = f"{CELLS} cells of one thread each, two nodes of one core"
    yield Comparison(what, two, "one node", one, "cells/min", LEAST, 1.7)


def _minutes(nodes: int) -> float:
    from ray.cluster_utils import Cluster  # Ray takes a while to import

    study = [Cell(("byol", "phantom", "smoke"), {**SETTINGS, "seed": seed}, "train") for seed in range(CELLS)]
    with own_database():  # before the nodes, which inherit where it is
        machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        try:
            for _ in range(nodes):
                machines.add_node(num_cpus=1)
            machines.wait_for_nodes()
            began = time.perf_counter()
            failures = cluster.run_missing(study, machines.address, 1, None)
            seconds = time.perf_counter() - began
        finally:
            machines.shutdown()
    assert not failures, failures
    return seconds / 60
