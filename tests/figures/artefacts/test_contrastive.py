"""Runs of contrastive methods store neither partners nor BYOL's losses, and stand beside those that do."""

import pytest

from figures.artefacts import partner_quality, training_curves
from figures.artefacts.registry import ARTEFACTS
from tests.figures.synthetic import CONTRASTIVE, add_study, captions_of, config, evidence_of, metrics

ALWAYS = ("cost", "settings", "claims", "datasets")


def test_contrastive_runs_alone_are_drawn_without_what_only_byol_stores(database, draw) -> None:
    add_study(database, CONTRASTIVE, seeds=2, pretrain__epochs=3, evaluate__fractions=[1.0])
    folder = draw()
    told = captions_of(folder)
    assert {*told} == {
        "semi_supervised",
        "label_efficiency",
        "training_curves",
        "cost",
        "settings",
        "claims",
        "datasets",
    }
    assert "BYOL" not in told["training_curves"]
    assert "additional positive" not in told["training_curves"]
    _, *lines = (folder / "index.html").read_text().split("Not here, since no stored run gives a number for it: ")
    absent = {name for line in lines for name in line.partition(".</p>")[0].split("; ")}
    for artefact in (artefact for artefact in ARTEFACTS if not artefact.overall):
        assert (artefact.title in absent) == (artefact.name not in told)


def test_whole_loss_is_drawn_of_contrastive_methods_only(database) -> None:
    add_study(database, ("byol", "byol_tracin", *CONTRASTIVE), seeds=2, pretrain__epochs=3)
    made = training_curves.make(evidence_of(database))
    assert made is not None
    rows = made.data[made.data["metric"] == "pretrain/loss"]
    assert list(dict.fromkeys(rows["method"])) == list(CONTRASTIVE)
    for row in rows.itertuples():
        values = [metrics(config(row.method, seed, pretrain__epochs=3))["pretrain/loss"][1] for seed in (0, 1)]
        assert row.mean == pytest.approx((values[0][int(row.step) - 1] + values[1][int(row.step) - 1]) / 2)
    assert {"pretrain/feature_std"} < {*made.data.loc[made.data["method"] == "simclr", "metric"]}
    assert "Runs without pretraining" not in made.caption


def test_partners_are_drawn_of_byol_where_contrastive_methods_come_first(database) -> None:
    add_study(database, ("simclr", "byol"), seeds=1, pretrain__epochs=3)
    made = partner_quality.make(evidence_of(database))
    assert made is not None
    assert {*made.data["method"]} == {"byol"}
