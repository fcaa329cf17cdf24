"""The tables of docs/study.md that say how a recipe was found give what the stored runs give."""

import json
import re

import pandas as pd
import pytest

from repro import runs
from repro.store import open_archive
from tests.conftest import ROOT

PERCENTS = (1, 10, 100)
LEARNED = re.compile(r"^\| `(\w+)`[^|]*\|((?:[^|]*\d[^|]*\|){7})$", re.MULTILINE)
NUMBER = re.compile(r"[-+]?[\d.]+")
ROW = re.compile(r"^\| (\d[\d, ]*) \| (.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    return runs.of(ROOT / "figures" / "reference" / "candidates.zip")()


def rows() -> list[tuple[list[int], list[str]]]:
    """The rows of the tables: ids of runs, and what stands in the other columns."""
    found = ROW.findall((ROOT / "docs" / "study.md").read_text())
    return [([int(run) for run in ids.split(",")], re.split(r" *\| *", cells)) for ids, cells in found]


def test_every_score_is_that_of_the_runs_named_beside_it(stored: pd.DataFrame):
    assert len(rows()) > 25
    for ids, cells in rows():
        own = stored.loc[ids]
        accuracy = [own[f"val/linear/balanced_accuracy/{percent}"].mean() for percent in PERCENTS]
        auc = own[[f"val/linear/macro_auc/{percent}" for percent in PERCENTS]].to_numpy().mean()
        assert [float(cell) for cell in cells[-4:]] == pytest.approx(
            [100 * each for each in (*accuracy, auc)], abs=0.051
        ), ids


def test_every_setting_is_that_of_the_runs_named_beside_it(stored: pd.DataFrame):
    told = [(ids, cells) for ids, cells in rows() if "random" not in cells[0]]
    assert len(told) > 20
    for ids, (name, epochs, rate, replaced, crops, brightness, solarisation, decay, *_) in told:
        for run in ids:
            config = {key.removeprefix("config."): value for key, value in stored.loc[run].items()}
            assert config["method"] == ("simclr" if "SimCLR" in name else "byol"), run
            assert config["pretrain.epochs"] == int(epochs), run
            assert config["pretrain.lr"] == float(rate), run
            assert config["method"] == "simclr" or config["pretrain.renewals"] == float(replaced), run
            assert config["pretrain.weight_decay"] == float(decay), run
            least, _ = json.loads(config["augment.crop"])
            assert f"{100 * least:g} %" == crops, run
            strength = json.loads(config["augment.jitter"])[0] if config["augment.jitter_prob"] else "none"
            assert str(strength) == brightness, run
            assert json.loads(config["augment.solarize"])[1] == float(solarisation), run


def test_what_every_method_learns_in_30_epochs_is_what_the_runs_named_beside_it_stored(stored: pd.DataFrame):
    with open_archive(ROOT / "figures" / "reference" / "candidates.zip") as archive:
        found = {run["_id"]: run for run in archive.runs()}
    lines = LEARNED.findall((ROOT / "docs" / "methods.md").read_text().replace("−", "-"))
    assert {line[0] for line in lines} >= {
        *("simclr", "dcl", "nnclr", "dcl_nn", "moco", "simsiam", "barlow_twins", "vicreg", "swav", "dino", "restore"),
        *("byol", "byol_tracin", "simsiam_tracin", "simclr_tracin"),
    }
    for method, cells in lines:
        *numbers, run = map(float, NUMBER.findall(cells))
        config, learning = found[int(run)]["config"], found[int(run)]["info"]["learning"]
        assert (config["method"]["name"], config["pretrain"]["epochs"], config["seed"]) == (method, 30, 11)
        assert (config["data"]["name"], config["evaluate"]["test"]) == ("pneumoniamnist", False)
        told = [learning[key] for key in ("readout", "random", "low", "high")]
        told += [stored.loc[int(run), f"val/linear/balanced_accuracy/{percent}"] for percent in PERCENTS]
        assert numbers == pytest.approx([100 * each for each in told], abs=0.051), method


def test_how_far_random_weights_are_below_supervised_training_is_what_the_reference_archive_gives():
    every = runs.of(ROOT / "figures" / "reference" / "runs.zip")()
    every = every[(every["scale"] == "medmnist") & every["seed"].isin([0, 1, 2])]
    said = re.sub(r"\s+", " ", (ROOT / "docs" / "study.md").read_text())
    for data, told in (
        ("dermamnist", "{:.1f} points of balanced accuracy below"),
        ("pneumoniamnist", "{:.1f} above it"),
    ):
        score = every[every["data"] == data].groupby("method")["test/finetune/balanced_accuracy/100"].mean()
        assert told.format(100 * abs(score["supervised"] - score["random_init"])) in said, data
