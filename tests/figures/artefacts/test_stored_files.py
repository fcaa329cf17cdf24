"""What is drawn from the files that runs store: gallery, views, map of features, ROC; and costs and settings."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from figures.artefacts import cost, embedding, gallery, roc, settings, views
from figures.drawing.rendering import render
from tests.figures.synthetic import Memory, add, add_whole_study, config, evidence_of, files, timings


@pytest.fixture(scope="module", params=[False, True], ids=["one label", "several labels"])
def stored(request: pytest.FixtureRequest) -> tuple[Memory, bool]:
    memory = Memory()
    methods = ("random_init", "supervised", "byol", "byol_tracin")
    add_whole_study(memory, methods, seeds=2, multi_label=request.param)
    return memory, request.param


@pytest.mark.parametrize("artefact", [gallery, views, embedding, roc])
@pytest.mark.parametrize("width", [6.9, 3.35])
def test_figures_from_files_are_drawn_without_a_warning_and_the_same_twice(stored, artefact, width, recwarn) -> None:
    made, again = (artefact.make(evidence_of(stored[0])) for _ in range(2))
    assert made is not None
    assert again is not None
    assert render(made.draw, width) == render(again.draw, width)
    assert [str(warning.message) for warning in recwarn] == []
    assert len(made.alt) > 60
    assert made.artifacts


def test_gallery_says_of_every_partner_whether_it_shares_the_label(stored) -> None:
    memory, several = stored
    made = gallery.make(evidence_of(memory))
    assert made is not None
    assert "BYOL + TracIn, seed 0" in made.caption
    arrays = files(config("byol_tracin", 0), several)["partners.pictures.npz"]
    for selector, title in (("tracin_cosine", "TracIn (cosine)"), ("random", "Random")):
        theirs, own = arrays[f"{selector}/labels"], arrays["labels"]
        neither = ~(theirs | own).any(axis=1) if several else False
        shared = (theirs & own).any(axis=1) | neither if several else theirs == own
        rows = made.data[made.data["row"] == title]
        assert rows["same_label"].to_list() == shared.tolist()
    assert list(dict.fromkeys(made.data["row"]))[:2] == ["Image", "TracIn (cosine)"]


def test_a_gallery_without_images_and_an_archive_without_pictures_draw_nothing() -> None:
    memory = Memory()
    settings_ = config("byol", 0)
    arrays = files(settings_)
    empty = {name: rows[:0] for name, rows in arrays["partners.pictures.npz"].items()}
    add(memory, settings_, files={"partners.pictures.npz": empty})
    assert gallery.make(evidence_of(memory)) is None
    assert views.make(evidence_of(memory)) is None


def test_roc_tells_the_area_that_scikit_learn_finds(stored) -> None:
    memory, several = stored
    made = roc.make(evidence_of(memory))
    assert made is not None
    assert set(made.data["label"]) == {"Supervised", "BYOL", "BYOL + TracIn"}
    areas = []
    for seed in range(2):
        arrays = files(config("byol", seed), several)["test_scores.npz"]
        truth = arrays["labels"][:, 2] if several else arrays["labels"] == 2
        areas.append(roc_auc_score(truth, arrays["finetune/100"][:, 2]))
    rows = made.data[(made.data["label"] == "BYOL") & (made.data["class"] == "bkl")]
    assert rows["auc"].unique() == pytest.approx([np.mean(areas)])
    curve = rows["true_positive_rate"].to_numpy()
    assert (curve[-1], (np.diff(curve) >= 0).all()) == (1.0, True)


def test_a_label_without_positives_has_no_curve_and_is_named() -> None:
    memory = Memory()
    settings_ = config("byol", 0)
    arrays = files(settings_)
    scores = arrays["test_scores.npz"]
    kept = scores["labels"] != 3
    arrays["test_scores.npz"] = {name: rows[kept] for name, rows in scores.items()}
    add(memory, settings_, files=arrays)
    made = roc.make(evidence_of(memory))
    assert made is not None
    assert "df" not in set(made.data["class"])
    assert "No curve for lack of positives or negatives in the test split: df." in made.caption


def test_the_map_shows_the_same_images_of_each_method(stored) -> None:
    made = embedding.make(evidence_of(stored[0]))
    assert made is not None
    by_method = {label: rows["image"].to_list() for label, rows in made.data.groupby("label")}
    assert set(by_method) == {"Random init.", "BYOL", "BYOL + TracIn"}
    assert len({tuple(images) for images in by_method.values()}) == 1
    assert made.data[["x", "y"]].notna().all(axis=None)


def test_cost_is_what_the_runs_say() -> None:
    memory = Memory()
    add_whole_study(memory, ("random_init", "byol", "byol_tracin"), seeds=3)
    made = cost.make(evidence_of(memory))
    assert made is not None
    rows = made.data[made.data["method"] == "byol_tracin"].set_index("statistic")
    times = {m: [timings(config(m, s), "train")["pretrain_s"] / 20 for s in range(3)] for m in ("byol", "byol_tracin")}
    assert rows.loc["epoch_s", "mean"] == pytest.approx(np.mean(times["byol_tracin"]))
    used = {m: [timings(config(m, s), "train")["pretrain_processor_s"] for s in range(3)] for m in times}
    assert rows.loc["over_byol", "mean"] == pytest.approx(np.mean(used["byol_tracin"]) / np.mean(used["byol"]))
    hours = [(20 * seconds + 12.5) / 3600 for seconds in times["byol_tracin"]]
    assert rows.loc["device_hours", "mean"] == pytest.approx(np.mean(hours))
    none = made.data[(made.data["method"] == "random_init") & (made.data["statistic"] == "epoch_s")]
    assert none["seeds"].item() == 0
    assert "the process" in made.caption


def test_several_processes_count_as_several_devices() -> None:
    memory = Memory()
    facts = {"timings": {"pretrain_s": 3600.0, "evaluate_s": 1800.0, "processes": 4, "peak_memory_mb": 7}}
    add(memory, config("byol", 0), facts=facts)
    made = cost.make(evidence_of(memory))
    assert made is not None
    assert made.data.set_index("statistic").loc["device_hours", "mean"] == pytest.approx(4.5)
    assert made.data.set_index("statistic").loc["peak_memory_mb", "mean"] == 7


def test_settings_say_where_each_value_is_from_and_whose_it_is() -> None:
    memory = Memory()
    add_whole_study(memory, ("supervised", "byol", "byol_cosine", "byol_tracin"), seeds=1)
    made = settings.make(evidence_of(memory))
    assert made is not None
    rows = {(row.setting, row.value): row for row in made.data.itertuples()}
    assert rows["selector.name", "tracin"].series == "BYOL + TracIn"
    assert rows["selector.name", "none"].series == "Supervised|BYOL"
    assert rows["pretrain.epochs", "20"].source == "[us]"
    assert "[us] our default" in made.caption
    printed = {label: [cell.text for cell in cells] for group in made.grid.groups for label, cells in group.rows}
    assert printed["pretrain.epochs"] == ["20", "[us]", "all"]


def test_settings_of_runs_that_did_not_say_where_values_are_from_have_no_mark() -> None:
    memory = Memory()
    add(memory, config("byol", 0))
    made = settings.make(evidence_of(memory))
    assert made is not None
    assert "did not store where the value comes from" in made.caption
