"""Synthetic runs whose record agrees with itself, put into a database with pymongo alone, or kept in memory."""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gridfs import GridFS
from pymongo.database import Database

from figures.evidence import reading
from figures.evidence.evidence import Evidence
from figures.evidence.metric_points import final
from figures.evidence.series import flat
from repro.store import source_of
from repro.store.source import LEFT_OUT, Content

METHODS = ("random_init", "supervised", "byol", "byol_random", "byol_cosine", "byol_tracin", "byol_oracle")
SELECTOR = {
    "byol_random": "random", "byol_cosine": "cosine", "byol_queue": "queue", "byol_tracin": "tracin",
    "byol_oracle": "oracle",
}  # fmt: skip
OBJECTIVE = {
    "random_init": "none", "supervised": "supervised", "semixup": "semixup", "imagenet": "imagenet",
    "simclr": "simclr", "dcl": "dcl", "nnclr": "nnclr", "fixmatch": "fixmatch", "fixmatch_paths": "fixmatch",
    "dcl_nn": "dcl_nn", "moco": "moco", "simsiam": "simsiam", "barlow_twins": "barlow_twins", "vicreg": "vicreg",
    "swav": "swav", "dino": "dino", "restore": "restore",
}  # fmt: skip
CONTRASTIVE = ("simclr", "dcl", "nnclr")
MEASURED = ("tracin_cosine", "tracin_dot", "cosine")
RATE = {
    "tracin_cosine": 0.56, "tracin_dot": 0.50, "cosine": 0.55, "queue": 0.54, "tracin_bank": 0.55, "random": 0.48,
    "oracle": 0.997,
}  # fmt: skip
PERCENTS = (1.0, 10.0, 50.0, 100.0)
SIZES = {"train": 7007, "val": 1003, "test": 2005}


def config(method: str, seed: int, **other: Any) -> dict[str, Any]:
    """Return a config with the keys that the kit's have; `other` has dotted keys, dots written as __."""
    made: dict[str, Any] = {
        "seed": seed,
        "scale": "smoke",
        "data": {"name": "dermamnist", "size": 28, "split": "official", "limit": None, "stands_in_for": None},
        "method": {
            "name": method,
            "objective": OBJECTIVE.get(method, "byol"),
        },
        "selector": {"name": SELECTOR.get(method, "none"), "weight": 1.0, "measured": list(MEASURED)},
        "tracin": {"layers": "last", "normalize": "cosine", "source": "online", "pretraining": None},
        "augment": {"flip": 0.5, "crop": [0.2, 1.0], "blur": [1.0, 0.1]},  # not in the order of the alphabet
        "pretrain": {"epochs": 20, "keep_every": None},
        "evaluate": {
            "pretraining": None,
            "protocols": ["finetune"] if method == "supervised" else ["knn", "linear", "finetune"],
            "fractions": [percent / 100 for percent in PERCENTS],
            "finetune": {"steps": 100},
        },
    }
    for key, value in other.items():
        *groups, last = key.split("__")
        branch = made
        for group in groups:
            branch = branch[group]
        branch[last] = value
    return made


def identity(config: dict[str, Any], command: str, carried: bool = False) -> dict[str, str]:
    """Return cell, series and study as the kit means them; `carried`: the encoder is from other images."""
    kept = {key: value for key, value in config.items() if key != "scale"}
    free = {("evaluate", "pretraining"), ("tracin", "pretraining"), ("pretrain", "keep_every")}
    series = {
        key: {k: v for k, v in value.items() if (key, k) not in free} if isinstance(value, dict) else value
        for key, value in kept.items()
        if key != "seed"
    }
    study = {key: value for key, value in series.items() if key not in ("method", "selector", "tracin")}
    study["evaluate"] = {k: v for k, v in study["evaluate"].items() if k != "protocols"}
    return {
        "cell": f"{command}-{_digest(kept)}",
        "series": f"{command}-{_digest(series)}" + ("-other" if carried else ""),
        "study": _digest(study),
    }


def overridden(settings: dict[str, Any]) -> list[str]:
    """Return the settings, but those of the data and ids, that are not the usual ones of a method."""
    usual = dict(flat(config(settings["method"]["name"], settings["seed"])))
    left_out = ("data.", "scale", "evaluate.pretraining", "tracin.pretraining", "pretrain.keep_every")
    return [key for key, value in flat(settings) if not key.startswith(left_out) and value != usual.get(key)]


def data(config: dict[str, Any], multi_label: bool = False) -> dict[str, Any]:
    """Return what a run records of its images."""
    name = config["data"]["name"]
    official = {} if name.startswith("phantom") else {"official": True}
    size = config["data"]["size"]
    return {
        "name": name,
        "task": "multi-label" if multi_label else "multi-class",
        "shape": [size, size, 3],
        "class_names": ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"],
        "images": dict(SIZES),
        "per_class": {split: [n // 7 + c for c in range(7)] for split, n in SIZES.items()},
        "without_split": 0,
        "sha256": _digest({"name": name}),
        "stands_in_for": config["data"]["stands_in_for"],
        **official,
    }


def metrics(config: dict[str, Any], command: str = "train", main: str = "balanced_accuracy") -> dict[str, list]:
    """Return name -> (steps, values) of everything such a run would log."""
    method, seed = config["method"]["name"], config["seed"]
    random = np.random.default_rng([seed, METHODS.index(method) if method in METHODS else 99])
    logged: dict[str, list] = {}
    epochs = np.arange(1, config["pretrain"]["epochs"] + 1)
    if method in CONTRASTIVE and command != "evaluate":
        logged["pretrain/loss"] = [epochs, 4 + np.exp(-epochs / 6) + 0.03 * random.normal(size=len(epochs))]
        logged["pretrain/feature_std"] = [epochs, 0.8 + 0.02 * random.normal(size=len(epochs))]
    if config["method"]["objective"] == "byol" and command != "evaluate":
        fall = 1.1 + 1.6 * np.exp(-epochs / 6) + 0.03 * random.normal(size=len(epochs))
        logged["pretrain/loss_byol"] = [epochs, fall]
        if method != "byol":
            logged["pretrain/loss_partner"] = [epochs, fall + 0.35 + 0.05 * random.normal()]
        logged["pretrain/loss"] = [epochs, sum(values for _, values in logged.values())]
        logged["pretrain/feature_std"] = [
            epochs,
            0.3 + 0.5 * (1 - np.exp(-epochs / 8)) + 0.02 * random.normal(size=len(epochs)),
        ]
        logged["partners/chance"] = [epochs, np.full(len(epochs), 0.484) + 0.0005 * random.normal(size=len(epochs))]
        logged["partners/chance_macro"] = [
            epochs,
            np.full(len(epochs), 0.143) + 0.0005 * random.normal(size=len(epochs)),
        ]
        used = {"tracin": f"tracin_{config['tracin']['normalize']}"}.get(
            config["selector"]["name"], config["selector"]["name"]
        )
        for name in dict.fromkeys([*config["selector"]["measured"], *([used] if used != "none" else [])]):
            rate = RATE[name] + 0.02 * (1 - np.exp(-epochs / 5)) * (name not in ("random", "oracle"))
            rate = np.minimum(1, rate + 0.004 * random.normal(size=len(epochs)))
            logged[f"partners/{name}/same_label"] = [epochs, rate]
            logged[f"partners/{name}/same_label_macro"] = [epochs, np.minimum(1, rate - 0.33 * (name != "oracle"))]
            logged[f"partners/{name}/hub_max"] = [epochs, 5 + random.random(len(epochs))]
            if name not in ("queue", "tracin_bank"):
                logged[f"partners/{name}/mutual"] = [epochs, 0.3 + 0.1 * random.random(len(epochs))]
                logged[f"partners/{name}/agrees_with_cosine"] = [epochs, 0.2 + 0.1 * random.random(len(epochs))]
    if "pretrain/loss" in logged:
        logged["pretrain/lr"] = [epochs, 0.1 * np.cos(epochs / epochs[-1])]
        logged["pretrain/collapsed"] = [epochs, np.zeros(len(epochs))]
    if command == "pretrain":
        return logged
    skill = 0.02 * METHODS.index(method) if method in METHODS else 0.05
    for protocol in config["evaluate"]["protocols"]:
        for percent in (100 * fraction for fraction in config["evaluate"]["fractions"]):
            level = 0.22 + 0.09 * np.log10(percent) + skill + {"finetune": 0.05, "linear": 0.02, "knn": 0.0}[protocol]
            value = level + 0.008 * random.normal()
            for name, one in ((main, value), ("accuracy", value + 0.3)):
                for split in ("val", "test"):
                    points = logged.setdefault(f"{split}/{protocol}/{name}", [[], []])
                    points[0].append(percent)
                    points[1].append(float(one))
            if protocol == "finetune":
                steps = np.arange(20, 101, 20)
                curve = level * (1 - 0.6 * np.exp(-steps / 30)) + 0.01 * random.normal(size=len(steps))
                logged[f"finetune/{percent:g}/val"] = [steps, curve]
    return logged


def documents(
    run_id: int,
    config: dict[str, Any],
    command: str = "train",
    status: str = "COMPLETED",
    points: dict[str, list] | None = None,
    multi_label: bool = False,
    facts: dict[str, Any] | None = None,
    files: dict[str, dict[str, np.ndarray]] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, bytes]]:
    """Return a whole run, its metrics, and the content of its artifacts by name.

    Args:
        points: metrics instead of the usual ones.
        facts: more of `info`, or other than usual.
        files: name -> arrays of an npz.
    """
    main = "mean_auc" if multi_label else "balanced_accuracy"
    points = metrics(config, command, main) if points is None else points
    rows = [
        {
            "run_id": run_id,
            "name": name,
            "steps": [float(step) for step in steps],
            "values": [float(value) for value in values],
            "timestamps": [0] * len(steps),
            "count": len(steps),
        }
        for name, (steps, values) in points.items()
    ]
    fractions = [] if command == "pretrain" else config["evaluate"]["fractions"]
    info = {
        **identity(config, command, bool((facts or {}).get("pretrained_on"))),
        "provenance": {"commit": "a1b2c3d4" * 5, "dirty": False, "device": "x86_64"},
        "data": data(config, multi_label),
        "overridden": overridden(config),
        "label_subsets": [{"fraction": f, "images": round(7007 * f), "sha256": ""} for f in fractions],
        "timings": timings(config, command),
        **(facts or {}),
    }
    contents = {name: packed(arrays) for name, arrays in (files or {}).items()}
    expected = {
        "metrics": {name: _points(*both) for name, both in points.items()},
        "artifacts": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    run = {
        "_id": run_id,
        "command": command,
        "status": status,
        "config": config,
        "artifacts": [{"name": name, "file_id": f"{run_id}/{name}"} for name in contents],
        "info": {**info, "expected": {**expected, "facts": _facts(config, info)}},
    }
    return run, rows, contents


def add(database: "Database | Memory", config: dict[str, Any], command: str = "train", **other: Any) -> int:
    """Store a whole run and return its id; arguments as of `documents`."""
    if isinstance(database, Memory):
        return database.add(config, command, **other)
    newest = database.runs.find_one({}, {"_id": 1}, sort=[("_id", -1)])
    run_id = newest["_id"] + 1 if newest else 1
    run, rows, contents = documents(run_id, config, command, **other)
    if rows:
        database.metrics.insert_many(rows)
    bucket = GridFS(database)
    for artifact in run["artifacts"]:
        artifact["file_id"] = bucket.put(contents[artifact["name"]], filename=artifact["name"])
    database.runs.insert_one(run)
    return run_id


class Memory:
    """Runs in memory: a source of runs as a database is."""

    name = "memory"

    def __init__(self) -> None:
        self._runs: list[dict[str, Any]] = []
        self._series: dict[int, list[dict[str, Any]]] = {}
        self._files: dict[Any, bytes] = {}

    def add(self, config: dict[str, Any], command: str = "train", **other: Any) -> int:
        """Keep a whole run and return its id; arguments as of `documents`."""
        run, rows, contents = documents(len(self._runs) + 1, config, command, **other)
        self._runs.append(run)
        self._series[run["_id"]] = [{"_id": row["name"], **row} for row in sorted(rows, key=lambda row: row["name"])]
        self._files |= {artifact["file_id"]: contents[artifact["name"]] for artifact in run["artifacts"]}
        return run["_id"]

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs."""
        return self._runs

    def details(self, run_ids: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield what no figure reads of each run."""
        for run_id in run_ids:
            yield run_id, {key: value for key, value in self._runs[run_id - 1].items() if key in LEFT_OUT}

    def series(self, run_ids: Iterable[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield the metrics of each run."""
        for run_id in sorted(set(run_ids)):
            yield run_id, self._series.get(run_id, [])

    def contents(self, file_ids: Iterable[Any]) -> dict[Any, Content]:
        """Return the hashes of files."""
        return {i: Content(hashlib.sha256(self._files[i]).hexdigest()) for i in file_ids if i in self._files}

    def read(self, file_id: Any) -> bytes | None:
        """Return a file."""
        return self._files.get(file_id)


def files(config: dict[str, Any], multi_label: bool = False, images: int = 120) -> dict[str, dict[str, np.ndarray]]:
    """Return the files that such a run would store, as name -> arrays of an npz."""
    method, evaluated = config["method"], config["evaluate"]
    random = np.random.default_rng([config["seed"], len(method["name"])])
    fixed = np.random.default_rng(7)  # what all runs of a study share
    classes = 7
    labels = fixed.integers(0, 2, (images, classes)) if multi_label else fixed.integers(0, classes, images)
    if multi_label:
        labels[:2] = 0  # nothing found
    truth = labels if multi_label else np.eye(classes, dtype=int)[labels]
    made = {}
    for protocol in evaluated["protocols"]:
        for percent in (100 * fraction for fraction in evaluated["fractions"]):
            noise = random.normal(size=(images, classes)) * (2 - np.log10(percent) / 2)
            made[f"{protocol}/{percent:g}"] = (truth + noise).astype(np.float32)
    found = {"test_scores.npz": {"labels": labels, "indices": np.arange(images), **made}}
    if "knn" in evaluated["protocols"]:
        features = (3 * truth @ fixed.normal(size=(classes, 16)) + random.normal(size=(images, 16))).astype(np.float16)
        found["features.npz"] = {"features": features, "labels": labels, "indices": np.arange(images)}
    if method["objective"] in ("byol", *CONTRASTIVE):
        pixels = fixed.integers(0, 256, (3, 6, 8, 8, 3)).astype(np.uint8)
        views = dict(zip(("original", "first", "second"), pixels, strict=True))
        found["views.pictures.npz"] = {**views, "labels": labels[:6]}
    if method["objective"] == "byol":
        pictures = {"queries": fixed.integers(0, 256, (8, 8, 8, 3)).astype(np.uint8), "labels": labels[:8]}
        for selector in (*config["selector"]["measured"], "random"):
            pictures[f"{selector}/images"] = random.integers(0, 256, (8, 8, 8, 3)).astype(np.uint8)
            pictures[f"{selector}/labels"] = random.permutation(labels)[:8]
        found["partners.pictures.npz"] = pictures
    return found


def sources(config: dict[str, Any]) -> dict[str, Any]:
    """Return where each value of a config comes from, as such a run would say it."""
    return {k: sources(v) if isinstance(v, dict) else "[us]" for k, v in config.items()}


def evidence_of(stored: Any) -> Evidence:
    """Return the evidence of the one study that is stored."""
    found = reading.read(stored)
    (study,) = found.studies
    return Evidence((study,), found.points.of(study.all_series), source_of(stored))


def all_evidence(stored: Any) -> Evidence:
    """Return the evidence of all the studies that are stored, for what is made from them together."""
    found = reading.read(stored)
    every = (*found.studies, *found.trials)
    points = [final(found.points.of(study.all_series)).assign(study=study.key) for study in every]
    return Evidence(found.studies, pd.concat(points), source_of(stored), found.trials)


def timings(config: dict[str, Any], command: str) -> dict[str, Any]:
    """Return what a run says of its time and memory."""
    found: dict[str, Any] = {"process_peak_memory_mb": 900}
    if config["method"]["objective"] in ("byol", *CONTRASTIVE) and command != "evaluate":
        more = 1.05 if config["selector"]["name"] != "none" else 1.0
        found["pretrain_s"] = round(more * (2 + 0.01 * config["seed"]) * config["pretrain"]["epochs"], 3)
        found["pretrain_processor_s"] = round(1.9 * found["pretrain_s"] / (1 + config["seed"]), 3)
        found["images_per_second"] = round(7007 / (2 * more), 1)
    return found if command == "pretrain" else {**found, "evaluate_s": 12.5}


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """Return arrays as an npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def retell(database: Database, changes: dict[str, Any], run_id: int | None = None) -> None:
    """Change facts of one run or of all, dotted keys, so that its record agrees with itself again."""
    database.runs.update_many({} if run_id is None else {"_id": run_id}, {"$set": changes})
    for run in database.runs.find({} if run_id is None else {"_id": run_id}):
        info = {key: value for key, value in run["info"].items() if key not in ("expected", "metrics")}
        facts = _facts(run["config"], info)
        database.runs.update_one({"_id": run["_id"]}, {"$set": {"info.expected.facts": facts}})


def add_study(database: Database, methods: tuple[str, ...] = METHODS, seeds: int = 3, **other: Any) -> list[int]:
    """Store a run of every method and seed."""
    return [add(database, config(method, seed, **other)) for method in methods for seed in range(seeds)]


def add_whole_study(
    stored: "Database | Memory",
    methods: tuple[str, ...] = METHODS,
    seeds: int = 3,
    multi_label: bool = False,
    **other: Any,
) -> dict[tuple[str, int], int]:
    """Store a run of every method and seed with all files and source marks; return (method, seed) -> id."""
    made = {}
    for method in methods:
        for seed in range(seeds):
            settings = config(method, seed, **other)
            facts, arrays = {"sources": sources(settings)}, files(settings, multi_label)
            made[method, seed] = add(stored, settings, facts=facts, files=arrays, multi_label=multi_label)
    return made


def add_transfers(
    stored: "Database | Memory", origins: dict[tuple[str, int], int], target: str, **other: Any
) -> list[int]:
    """Store an evaluation on `target` of the DermaMNIST encoder of every run of `origins`, method and seed -> id."""
    return [
        add(
            stored,
            config(method, seed, data__name=target, evaluate__pretraining=run_id, **other),
            "evaluate",
            facts={"pretrained_on": "dermamnist"},
        )
        for (method, seed), run_id in origins.items()
    ]


def captions_of(folder: Path) -> dict[str, str]:
    """Return artefact -> caption, from every sidecar in a results folder."""
    return {path.stem: json.loads(path.read_text())["caption"] for path in sorted(folder.rglob("*.json"))}


def _points(steps: Any, values: Any) -> dict[str, Any]:
    pairs = np.stack([np.asarray(steps, "<f8"), np.asarray(values, "<f8")], axis=1)
    pairs[np.isnan(pairs)] = np.nan
    return {"points": len(pairs), "sha256": hashlib.sha256(pairs.tobytes()).hexdigest()}


def _facts(config: dict[str, Any], info: dict[str, Any]) -> dict[str, str]:
    return {
        key: hashlib.sha256(json.dumps(fact, sort_keys=True).encode()).hexdigest()
        for key, fact in {**info, "config": config}.items()
    }


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
