"""How long do all tables and figures of two thousand runs take, and does ten times as many take ten times as long?

The runs are copies of real ones, a few seconds each, spread over the cells of the medmnist scale with as many seeds
as it takes: other numbers, the curves as long as that scale's, and a record that agrees with itself.
"""

import copy
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gridfs import GridFS
from pymongo.database import Database
from sacred.serializer import flatten

from repro.bench.comparison import MOST, Comparison
from repro.bench.temporary_database import own_database
from repro.configs.resolve import resolve
from repro.execution.experiment import execute
from repro.execution.recorder import NO_FACTS
from repro.reproduce.study.cells import Cell, cells
from repro.store.digests import fact_sha256, series_digest

REPEATS = 1

FEW, MANY = 2_000, 20_000
"""Numbers of runs."""

SCALE = "medmnist"

SECONDS, MEGABYTES, GROWTH = 60.0, 1000.0, 1.2
"""Asked of FEW runs: seconds, and memory of all processes together; of MANY: time over that in proportion [us]."""

TINY = {
    "encoder.width": 8,
    "heads.hidden": 32,
    "heads.out": 16,
    "data.limit": 400,
    "pretrain.epochs": 2,
    "pretrain.warmup_epochs": 0,
    "pretrain.batch_size": 64,
    "evaluate.finetune.steps": 10,
    "evaluate.linear.c": [1.0],
}
"""Settings of the real runs that are copied."""


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield time and memory of `python -m figures` over FEW runs, and the time over MANY against that in proportion."""
    few, peaks, many, proportion = [], [], [], []
    with own_database() as database:
        templates = _templates(database)
        stored = 0
        for _ in range(repeats):
            stored = _fill(database, templates, FEW, stored)
            seconds, peak = _drawn()
            few.append(seconds)
            peaks.append(peak)
        fixed = few[-1]
        _fill(database, templates, MANY, stored)
        for _ in range(repeats):
            many.append(_drawn()[0])
            proportion.append(fixed * MANY / FEW)
    yield Comparison(f"figures of {FEW:,} runs", few, "limit", [SECONDS] * len(few), "s", MOST, 1.0)
    yield Comparison("memory of it, all processes", peaks, "limit", [MEGABYTES] * len(peaks), "MB", MOST, 1.0)
    yield Comparison(f"figures of {MANY:,} runs", many, "in proportion", proportion, "s", MOST, GROWTH)


def _templates(database: Database) -> dict[str, dict[str, Any]]:
    """Run every method of the scale once; return method -> its run, metrics and files, and empty the database."""
    found = {}
    for method in dict.fromkeys(cell.named[0] for cell in cells(SCALE, seeds=[0])):
        run_id = execute(database, "train", resolve([method, "phantom", "smoke"], TINY), [method, "phantom", "smoke"])
        run, bucket = database.runs.find_one({"_id": run_id}) or {}, GridFS(database)
        found[method] = {
            "run": {key: value for key, value in run.items() if key not in ("captured_out", "host", "experiment")},
            "metrics": list(database.metrics.find({"run_id": run_id}, {"_id": 0})),
            "files": {
                artifact["name"]: bucket.get(artifact["file_id"]).read()
                for artifact in run["artifacts"]
                if not artifact["name"].endswith(".safetensors")
            },
        }
    for collection in ("runs", "metrics", "fs.files", "fs.chunks"):
        database[collection].delete_many({})
    return found


def _fill(database: Database, templates: dict[str, dict[str, Any]], count: int, stored: int) -> int:
    """Add copies until the database holds `count` runs, of which it holds `stored`; return the number."""
    per_seed = len(cells(SCALE, seeds=[0]))
    study = cells(SCALE, seeds=range(-(-count // per_seed) + 1))
    known = {run["info"]["cell"]: run["_id"] for run in database.runs.find({}, {"info.cell": 1})}
    rng, batch = np.random.default_rng(stored), _Batch(database)
    for cell in study:
        if len(known) == count:
            break
        if cell.key not in known:
            known[cell.key] = len(known) + 1
            origin = None if cell.origin is None else known[cell.origin.key]
            batch.add(*_copy(templates[cell.named[0]], cell, known[cell.key], origin, rng))
    batch.write()
    return len(known)


def _copy(
    template: dict[str, Any], cell: Cell, run_id: int, origin: int | None, rng: np.random.Generator
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, bytes]]:
    """Return a run of a cell, its metrics and its files: a real run's, with other numbers and the cell's settings."""
    run, config = copy.deepcopy(template["run"]), copy.deepcopy(cell.config)
    config["evaluate"]["pretraining"] = origin
    info = run["info"] | cell.identity | {"images": cell.named[1]}
    info["data"] = info["data"] | {"name": cell.named[1]}
    if cell.origin is not None:
        info["pretrained_on"] = cell.origin.named[1]
    training = ("pretrain/", "partners/")
    metrics = [
        {**series, "run_id": run_id, **_other(series, config["pretrain"]["epochs"], rng)}
        for series in template["metrics"]
        if cell.task == "train" or not series["name"].startswith(training)
    ]
    files = {
        name: content for name, content in template["files"].items() if cell.task == "train" or "pictures" not in name
    }
    facts = {key: fact for key, fact in info.items() if key not in NO_FACTS}
    was = run["info"]["expected"]
    info["expected"] = {
        "metrics": {one["name"]: series_digest(one["steps"], one["values"]).expectation for one in metrics},
        "artifacts": {name: was["artifacts"][name] for name in files},
        "facts": {key: fact_sha256(flatten(fact)) for key, fact in {**facts, "config": config}.items()},
    }
    return {**run, "_id": run_id, "command": cell.task, "config": config, "info": info}, metrics, files


def _other(series: dict[str, Any], epochs: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return steps and values like those of a metric; one per epoch for those of pretraining."""
    steps, values = np.asarray(series["steps"], float), np.asarray(series["values"], float)
    if series["name"].startswith(("pretrain/", "partners/")):
        now = np.arange(1.0, epochs + 1)
        steps, values = now, np.interp(now, steps, values)
    noisy = values * (1 + 0.02 * rng.normal(size=len(values)))
    return {"steps": steps.tolist(), "values": noisy.tolist(), "timestamps": [series["timestamps"][0]] * len(steps)}


class _Batch:
    """Runs on their way into a database, many in one write."""

    SIZE = 100

    def __init__(self, database: Database) -> None:
        self.database = database
        self.waiting: dict[str, list[dict[str, Any]]] = {}
        self.runs = 0

    def add(self, run: dict[str, Any], metrics: Sequence[dict[str, Any]], files: dict[str, bytes]) -> None:
        """Add a run."""
        artifacts = []
        for name, content in files.items():
            file = {"_id": f"{run['_id']}/{name}", "filename": name, "length": len(content), "chunkSize": 2**24}
            self._add("fs.files", file)
            self._add("fs.chunks", {"files_id": file["_id"], "n": 0, "data": content})
            artifacts.append({"name": name, "file_id": file["_id"]})
        self._add("runs", {**run, "artifacts": artifacts})
        for series in metrics:
            self._add("metrics", series)
        self.runs += 1
        if self.runs % self.SIZE == 0:
            self.write()

    def write(self) -> None:
        """Write what is waiting."""
        for collection, documents in self.waiting.items():
            self.database[collection].insert_many(documents)
        self.waiting = {}

    def _add(self, collection: str, document: dict[str, Any]) -> None:
        self.waiting.setdefault(collection, []).append(document)


def _drawn() -> tuple[float, float]:
    """Draw everything with the command; return the seconds, and the most MB that all its processes had at a time."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        words = [sys.executable, "-m", "figures", "--out", folder]
        said = Path(folder) / "said"
        with said.open("w") as log:
            process = subprocess.Popen(words, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=log)
        peak = 0.0

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                peak = max(peak, _megabytes(process.pid))
                time.sleep(0.2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - began
        watcher.join()
        assert code == 0, said.read_text()
        assert "left out" not in said.read_text(), said.read_text()
        return seconds, peak


def _megabytes(pid: int) -> float:
    """Return the memory of a process and all that it started, what they share counted once (Linux)."""
    total = 0.0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1000
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                total += _megabytes(int(child))
    except OSError:  # it has just ended
        return total
    return total
