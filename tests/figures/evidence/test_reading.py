import json

import pytest

from figures import style
from figures.evidence import ordering, reading
from figures.evidence.titles import title
from tests.figures.synthetic import Memory, add, add_study, captions_of, config, retell

STUDY = "dermamnist-official-28px-smoke"


def test_damaged_and_unfinished_runs_are_left_out_and_named(database, draw, capsys) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=2)
    damaged = add(database, config("byol", 5))
    database.metrics.update_one({"run_id": damaged, "name": "test/knn/accuracy"}, {"$pop": {"values": 1}})
    running = add(database, config("byol", 6), status="RUNNING")
    folder = draw()
    page, said = (folder / "index.html").read_text(), capsys.readouterr().err
    sidecar = json.loads((folder / STUDY / "semi_supervised.json").read_text())
    assert f"Run {damaged}, train byol dermamnist seed 5: metric test/knn/accuracy has steps" in page
    assert f"left out: run {running}, train byol dermamnist seed 6: status is RUNNING" in said
    assert [run["run"] for run in sidecar["left_out"]] == [damaged, running]
    assert not {damaged, running} & set(sidecar["runs"])
    assert "2 runs of this study are left out." in sidecar["caption"]


def test_failed_attempt_that_was_repeated_is_no_hole(database) -> None:
    failed = add(database, config("byol", 0), status="FAILED")
    whole = add(database, config("byol", 0))
    (left_out,) = reading.read(database).left_out
    assert (left_out.run, left_out.replaced_by) == (failed, whole)


def test_random_encoder_is_not_shown_under_a_pretrained_method(database) -> None:
    add(database, config("byol", 0))
    wrong = [add(database, config(method, 0), command="evaluate") for method in ("byol_tracin", "simclr")]
    right = [
        add(database, config("byol_tracin", 0, evaluate__pretraining=1), command="evaluate"),
        add(database, config("imagenet", 0), command="evaluate"),
    ]
    found = reading.read(database)
    assert [run.run for run in found.left_out] == wrong
    assert {*right} <= {run["_id"] for run in found.studies[0].runs}


def test_studies_that_may_not_be_compared_have_folders_of_their_own(database) -> None:
    add_study(database, ("byol",), seeds=2)
    add_study(database, ("byol",), seeds=1, data__size=64)
    add_study(database, ("byol",), seeds=1, pretrain__epochs=21)
    add_study(database, ("byol",), seeds=3, data__name="phantom")
    studies = reading.read(database).studies
    assert [s.folder for s in studies] == [
        STUDY,
        f"{STUDY}-pretrain.epochs=21",
        "dermamnist-official-64px-smoke",
        "phantom-official-28px-smoke",
    ]


def test_studies_that_differ_alike_from_the_greatest_still_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ordering, "_note", lambda study, first: "images 0123abcd")
    memory = Memory()
    add_study(memory, ("byol",), seeds=2)
    for epochs in (21, 22):
        add_study(memory, ("byol",), seeds=1, pretrain__epochs=epochs)
    studies = reading.read(memory).studies
    assert len({study.folder for study in studies}) == len({title(study) for study in studies}) == 3


def test_a_study_that_differs_in_much_or_in_odd_letters_has_its_hash_for_a_folder() -> None:
    memory = Memory()
    add_study(memory, ("byol",), seeds=2)
    add_study(memory, ("byol",), seeds=1, pretrain__epochs=21, evaluate__finetune={"steps": 7}, augment={"flip": 0.1})
    add_study(memory, ("byol",), seeds=1, augment={"flip": "a/b"})
    studies = reading.read(memory).studies
    greatest, *others = sorted(studies, key=lambda study: study.folder)
    assert (greatest.folder, greatest.note) == (STUDY, "")
    assert {study.folder for study in others} == {f"{STUDY}-{study.key}" for study in others}
    assert all("augment.flip=" in study.note for study in others)


def test_the_images_of_a_study_have_the_newest_title_that_a_run_has_and_it_is_no_setting(database) -> None:
    for seed, name in enumerate((None, "My lungs", "Our lungs", None)):
        add(database, config("byol", seed, data__title=name))
    add(database, config("byol_tracin", 0, data__title="Another"))
    retell(database, {"info.study": "one"})
    (study,) = reading.read(database).studies
    assert title(study) == "Another, official split, 28 px, scale smoke"
    assert {one.label for one in study.series} == {"BYOL", "BYOL + TracIn"}


def test_sidecar_query_finds_the_runs_and_metrics_drawn(database, draw) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=2)
    for path in sorted((draw() / STUDY).glob("*.json")):
        sidecar = json.loads(path.read_text())
        query = sidecar["query"]
        assert [run["_id"] for run in database.runs.find(query["runs"]).sort("_id", 1)] == sidecar["runs"]
        assert {row["name"] for row in database.metrics.find(query["metrics"])} == set(query["metrics"]["name"]["$in"])
        assert sidecar["commits"] == [{"commit": "a1b2c3d4" * 5, "dirty": False, "runs": sidecar["runs"]}]
        assert all((path.parent / name).exists() for name in sidecar["files"])


def test_phantom_images_are_marked_in_every_caption(database, draw) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=1, data__name="phantom", data__stands_in_for="dermamnist")
    folder = draw()
    sidecars = sorted(folder.rglob("*.json"))
    assert len(sidecars) >= 12
    for path in sidecars:
        caption = json.loads(path.read_text())["caption"]
        assert "PHANTOM images standing in for DermaMNIST: no medical claim." in caption
        assert "too short to rank methods" in caption


def labels(database) -> list[str]:
    (study,) = reading.read(database).studies
    return [series.label for series in study.series]


def test_ids_of_runs_and_what_is_stored_beside_never_tell_series_apart(database) -> None:
    for normalize, source in (("dot", 3), ("cosine", 4)):
        facts = {"overridden": ["tracin.normalize"] if normalize == "dot" else []}
        add(database, config("byol_tracin", 0, tracin__normalize=normalize, tracin__pretraining=source), facts=facts)
        add(database, config("byol_tracin", 1, tracin__normalize=normalize, pretrain__keep_every=source), facts=facts)
        add(
            database,
            config("byol_tracin", 2, tracin__normalize=normalize, evaluate__pretraining=source),
            command="evaluate",
            facts=facts,
        )
    assert labels(database) == [
        "BYOL + TracIn",  # two seeds trained and judged at once, with the cosine, which is the usual one
        "BYOL + TracIn (command=evaluate)",
        "BYOL + TracIn (command=evaluate, tracin.normalize=dot)",
        "BYOL + TracIn (tracin.normalize=dot)",
    ]


def test_what_a_recipe_sets_stands_for_its_method_and_not_a_variant_with_as_many_runs() -> None:
    memory = Memory()
    for seed in range(3):
        for weight, warmup, overridden in ((1.0, 0, ["selector.warmup_epochs", "selector.weight"]), (0.5, 10, [])):
            settings = config("byol_tracin", seed, selector__weight=weight, selector__warmup_epochs=warmup)
            add(memory, settings, facts={"overridden": overridden})
        for method in ("random_init", "byol", "simclr"):  # with the defaults of settings that they do not use
            add(memory, config(method, seed, selector__weight=1.0, selector__warmup_epochs=0), facts={"overridden": []})
    (study,) = reading.read(memory).studies
    (series,) = [one for one in study.references if one.method == "byol_tracin"]
    assert [run["config"]["selector"]["weight"] for run in series.runs] == [0.5] * 3


def test_measured_selectors_are_not_told_where_another_setting_tells_series_apart(database) -> None:
    add(database, config("byol_tracin", 0))
    add(database, config("byol_tracin", 0, tracin__normalize="dot", selector__measured=["queue"]))
    assert labels(database) == ["BYOL + TracIn", "BYOL + TracIn (tracin.normalize=dot)"]


def test_measured_selectors_are_told_where_nothing_else_tells_series_apart(database) -> None:
    add(database, config("byol", 0, selector__measured=["cosine", "queue"]))
    add(database, config("byol", 0, selector__measured=["cosine"]))
    add(database, config("byol", 1, selector__measured=["cosine"]))  # of more runs, so the one the other is told from
    assert labels(database) == ["BYOL", "BYOL (selector.measured=cosine+queue)"]


def test_a_setting_that_older_runs_do_not_have_is_told_as_missing(database) -> None:
    for seed in (0, 1):
        add(database, config("byol", seed, selector__ramp_epochs=0), facts={"overridden": []})
    add(database, config("byol", 0))
    assert labels(database) == ["BYOL", "BYOL (no selector.ramp_epochs)"]


def test_every_known_method_is_told_apart_by_colour_and_by_marker() -> None:
    for known in (style.METHODS, style.SELECTORS):
        looks = list(known.values())
        assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)
    assert list(style.METHODS)[:4] == ["random_init", "supervised", "semixup", "imagenet"]
    assert style.SELECTORS["queue"].colour == style.METHODS["byol_queue"].colour


def test_every_caption_says_which_images_a_copy_lacks_class_by_class(database, draw) -> None:
    names = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
    missing = {"total": 20, "of": 90, "present_per_class": [10] * 7, "of_per_class": [10, 20, 20, 10, 10, 10, 10]}
    gaps = {"info.data.missing": missing, "info.data.corrupt": [{"row": 3, "file": "x.jpg", "reason": "truncated"}]}
    add_study(database, ("byol",), seeds=2)
    retell(database, gaps)
    each = (
        ", ".join(f"{name} 10 of {20 if name in ('bcc', 'bkl') else 10}" for name in names[:-1]) + " and vasc 10 of 10"
    )
    captions = captions_of(draw())
    assert captions
    for caption in captions.values():
        assert f"SUBSET: 70 of its 90 images are there ({each}). 1 damaged image left out." in caption
