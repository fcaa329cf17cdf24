import csv
import io
import json
import math
from pathlib import Path
from statistics import fmean

import pytest

from figures.artefacts import semi_supervised
from figures.evidence import reading
from repro.store.foreign import EXPERIMENT
from tests.figures.synthetic import PERCENTS, add, add_study, config, evidence_of, metrics

STUDY = "dermamnist-official-28px-smoke"


def rows_of(folder: Path, name: str = "semi_supervised") -> list[dict[str, str]]:
    """The rows of a CSV, each with the ids of its runs as the sidecar has them."""
    rows = list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text())))
    runs = json.loads((folder / f"{name}.json").read_text())["runs_of_each_row"]
    return [{**row, "runs": ids} for row, ids in zip(rows, runs, strict=True)]


def test_every_number_is_the_mean_of_stored_metrics(database, draw) -> None:
    add_study(database, ("random_init", "supervised", "byol", "byol_tracin"))
    rows = rows_of(draw("semi_supervised") / STUDY)
    assert len(rows) == 4 * 4 * 3
    for row in rows:
        values, ids = [], []
        for run in database.runs.find({"config.method.name": row["method"]}):
            for metric in database.metrics.find({"run_id": run["_id"]}):
                if metric["name"] == f"test/{row['protocol']}/balanced_accuracy":
                    values += [
                        v for s, v in zip(metric["steps"], metric["values"], strict=True) if s == float(row["percent"])
                    ]
                    ids.append(str(run["_id"]))
        assert int(row["seeds"]) == len(values)
        assert row["runs"].split() == sorted(ids, key=int)
        if values:
            assert float(row["mean"]) == pytest.approx(fmean(values), rel=1e-12)
        else:
            assert (row["method"], row["mean"]) == ("supervised", "")


def test_curves_are_the_means_of_stored_metrics(database, draw) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=2)
    folder = draw("training_curves", "partner_quality") / STUDY
    rows = rows_of(folder, "training_curves") + rows_of(folder, "partner_quality")
    assert {"pretrain/loss_byol", "finetune/10/val", "partners/chance"} <= {row["metric"] for row in rows}
    for row in rows:
        made = [metrics(config(row["method"], seed))[row["metric"]] for seed in (0, 1)]
        values = [dict(zip(steps, values, strict=True))[float(row["step"])] for steps, values in made]
        assert float(row["mean"]) == pytest.approx(fmean(values), rel=1e-9)
        assert (float(row["lowest"]), float(row["highest"])) == (pytest.approx(min(values)), pytest.approx(max(values)))


def test_missing_cell_is_drawn_as_missing(database, draw) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=2)
    for seed in (0, 1):
        points = metrics(config("byol_cosine", seed))
        del points["test/linear/balanced_accuracy"]
        add(database, config("byol_cosine", seed), points=points)
    add(database, config("byol_oracle", 0), status="FAILED")
    folder = draw("semi_supervised") / STUDY
    lines = (folder / "semi_supervised.md").read_text().splitlines()
    linear = lines[next(i for i, line in enumerate(lines) if "Linear probe" in line) :]
    assert next(line for line in linear if "BYOL + cosine" in line) == "| BYOL + cosine | – | – | – | – | – |"
    oracle = [line for line in lines if "oracle" in line and line.startswith("|")]
    assert oracle == ["| BYOL + oracle (uses labels) | – | – | – | – | – |"] * 3
    assert r"BYOL + cosine & -- & -- & -- & -- & -- \\" in (folder / "semi_supervised.tex").read_text()
    assert "–: no stored run gives this number" in lines[0]


def test_one_seed_shows_no_interval_and_says_so(database, draw) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=1, pretrain__epochs=1)
    text = (draw("semi_supervised") / STUDY / "semi_supervised.md").read_text()
    assert "±" not in text
    assert "One seed per cell (seed 0), so there is no interval." in text


def test_undefined_metric_is_told_from_a_missing_one(database, draw) -> None:
    points = metrics(config("byol", 0))
    points["test/knn/balanced_accuracy"][1] = [math.nan] * len(PERCENTS)
    add(database, config("byol", 0), points=points)
    text = (draw("semi_supervised") / STUDY / "semi_supervised.md").read_text()
    assert "| BYOL | n/a | n/a | n/a | n/a | – |" in text


def test_the_same_numbers_are_the_same_tables_whatever_their_runs_are_called(database, draw) -> None:
    ours = {"experiment": {"name": EXPERIMENT}, "command": "train", "info": {}, "config": {}}
    database.runs.insert_one({"_id": 41, "status": "INTERRUPTED", **ours})
    add_study(database, ("byol", "byol_tracin"))
    later = read_all(draw() / STUDY)
    for collection in ("runs", "metrics", "fs.files", "fs.chunks"):
        database[collection].delete_many({})
    add_study(database, ("byol", "byol_tracin"))
    assert read_all(draw() / STUDY) == later


def read_all(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix != ".json"}


def test_same_cell_run_twice_counts_once_and_the_newest_is_taken(database) -> None:
    for seed in (0, 1):
        add(database, config("byol", seed))
    points = metrics(config("byol", 0))
    points["test/knn/balanced_accuracy"][1] = [0.9] * 4
    newest = add(database, config("byol", 0), points=points)
    table = semi_supervised.make(evidence_of(database))
    assert table is not None
    knn = table.data[(table.data["protocol"] == "knn") & (table.data["percent"] == 10)].iloc[0]
    assert (knn["seeds"], knn["runs"]) == (2, f"2 {newest}")


def test_runs_that_differ_only_in_what_they_keep_count_once(database) -> None:
    for keep in (None, 5):
        add(database, config("byol", 0, pretrain__keep_every=keep))
    (study,) = reading.read(database).studies
    (series,) = study.series
    assert [run["_id"] for run in series.runs] == [2]


def test_different_settings_of_one_method_are_never_averaged(database, draw) -> None:
    for seed in (0, 1):
        add(database, config("byol_tracin", seed))
        add(database, config("byol_tracin", seed, tracin__normalize="dot"))
    rows = rows_of(draw("semi_supervised") / STUDY)
    assert {row["label"] for row in rows} == {"BYOL + TracIn", "BYOL + TracIn (tracin.normalize=dot)"}
    assert {row["seeds"] for row in rows} == {"2"}


def test_several_labels_at_once_are_judged_by_mean_auc(database, draw) -> None:
    add(database, config("byol", 0, data__name="chestmnist"), multi_label=True)
    rows = rows_of(draw("semi_supervised") / "chestmnist-official-28px-smoke")
    assert {row["metric"] for row in rows} == {"mean_auc"}


def test_unknown_method_gets_a_row_and_a_look_of_its_own(database, draw) -> None:
    add_study(database, ("byol", "a_method_of_mine"), seeds=1)
    assert "a_method_of_mine" in {row["method"] for row in rows_of(draw("semi_supervised") / STUDY)}
