"""Synthetic runs, put into a database with pymongo alone, whose record agrees with itself."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from pymongo.database import Database

METHODS = ("random_init", "supervised", "byol", "byol_random", "byol_cosine", "byol_tracin", "byol_oracle")
SELECTOR = {
    "byol_random": "random", "byol_cosine": "cosine", "byol_queue": "queue", "byol_tracin": "tracin",
    "byol_oracle": "oracle",
}  # fmt: skip
OBJECTIVE = {
    "random_init": "none", "supervised": "supervised", "semixup": "semixup", "imagenet": "imagenet",
    "simclr": "simclr", "dcl": "dcl", "nnclr": "nnclr",
}  # fmt: skip
CONTRASTIVE = ("simclr", "dcl", "nnclr")
MEASURED = ("tracin_cosine", "tracin_dot", "cosine")
RATE = {"tracin_cosine": 0.56, "tracin_dot": 0.50, "cosine": 0.55, "queue": 0.54, "random": 0.48, "oracle": 0.997}
PERCENTS = (1.0, 10.0, 50.0, 100.0)
PROTOCOLS = ("finetune", "linear", "knn")


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


def identity(config: dict[str, Any], command: str) -> dict[str, str]:
    """Return cell, series and study as the kit means them."""
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
        "series": f"{command}-{_digest(series)}",
        "study": _digest(study),
    }


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
        "images": {"train": 7007, "val": 1003, "test": 2005},
        "per_class": {},
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
            if name != "queue":
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


def add(
    database: Database,
    config: dict[str, Any],
    command: str = "train",
    status: str = "COMPLETED",
    points: dict[str, list] | None = None,
    multi_label: bool = False,
) -> int:
    """Store a whole run and return its id."""
    newest = database.runs.find_one({}, {"_id": 1}, sort=[("_id", -1)])
    run_id = newest["_id"] + 1 if newest else 1
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
    if rows:
        database.metrics.insert_many(rows)
    fractions = [] if command == "pretrain" else config["evaluate"]["fractions"]
    info = {
        **identity(config, command),
        "provenance": {"commit": "a1b2c3d4" * 5, "dirty": False, "device": "x86_64"},
        "data": data(config, multi_label),
        "label_subsets": [{"fraction": f, "images": round(7007 * f), "sha256": ""} for f in fractions],
        "timings": {},
    }
    expected = {"metrics": {name: _points(*both) for name, both in points.items()}, "artifacts": {}}
    database.runs.insert_one(
        {
            "_id": run_id,
            "command": command,
            "status": status,
            "config": config,
            "artifacts": [],
            "info": {**info, "expected": {**expected, "facts": _facts(config, info)}},
        }
    )
    return run_id


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


def captions_of(folder: Path) -> dict[str, str]:
    """Return artefact -> caption, from the sidecars of every study in a results folder."""
    return {path.stem: json.loads(path.read_text())["caption"] for path in sorted(folder.glob("*/*.json"))}


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
