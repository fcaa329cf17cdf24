from tests.figures.synthetic import add, add_study, add_transfers, captions_of, config, metrics, retell


def collapsed(method: str, seed: int, epoch: int) -> dict[str, list]:
    points = metrics(config(method, seed, pretrain__epochs=3, evaluate__fractions=[1.0]))
    points["pretrain/collapsed"][1][epoch - 1] = 1.0
    return points


def test_every_caption_names_the_series_and_seeds_that_collapsed(database, draw) -> None:
    settings = {"pretrain__epochs": 3, "evaluate__fractions": [1.0]}
    add_study(database, ("random_init", "byol"), seeds=2, **settings)
    for method, seed, epoch in (("simclr", 0, 3), ("byol_tracin", 2, 1), ("byol_tracin", 0, 2)):
        add(database, config(method, seed, **settings), points=collapsed(method, seed, epoch))
    add(database, config("byol_tracin", 1, **settings))
    folder = draw()
    told = captions_of(folder)
    sentence = "Collapsed while pretraining: SimCLR, seed 0; BYOL + TracIn, 2 seeds (0, 2)."
    assert {*told} >= {"semi_supervised", "claims", "comparisons", "training_curves", "cost", "settings"}
    without = {name for name, caption in told.items() if sentence not in caption}
    assert without <= {"claims"}  # nothing is judged here
    assert f'<p class="warning">{sentence}</p>' in (folder / "index.html").read_text()


def test_a_table_over_studies_speaks_of_those_alone_whose_runs_it_shows(database, draw) -> None:
    settings = {"pretrain__epochs": 3, "evaluate__fractions": [1.0]}
    add_study(database, ("random_init", "simclr"), seeds=1, **settings)
    runs = [add(database, config("byol", seed, **settings), points=collapsed("byol", seed, 2)) for seed in (0, 1)]
    add(database, config("simclr", 1, **settings), points=collapsed("simclr", 1, 2))
    add_transfers(database, {("byol", 0): runs[0]}, "pneumoniamnist", evaluate__fractions=[1.0])
    told = captions_of(draw())
    assert "Collapsed while pretraining: SimCLR, seed 1; BYOL, 2 seeds (0, 1)." in told["semi_supervised"]
    assert "Collapsed while pretraining: BYOL, 2 seeds (0, 1)." in told["transfer"]  # whose encoder is transferred
    assert "SimCLR" not in told["transfer"]


def test_nothing_is_said_of_collapse_where_nothing_collapsed(database, draw) -> None:
    add_study(database, ("random_init", "simclr", "byol"), seeds=1, pretrain__epochs=3, evaluate__fractions=[1.0])
    assert not any("Collapsed" in caption for caption in captions_of(draw("semi_supervised")).values())


def test_the_main_table_says_what_brackets_behind_a_name_are_where_there_are_some(database, draw) -> None:
    settings = {"pretrain__epochs": 3, "evaluate__fractions": [1.0]}
    add_study(database, ("byol", "byol_tracin"), seeds=2, **settings)
    sentence = "In brackets: settings that differ from the row of the same method without brackets."
    assert sentence not in captions_of(draw("semi_supervised"))["semi_supervised"]
    add(database, config("byol_tracin", 0, selector__weight=0.5, **settings))
    assert sentence in captions_of(draw("semi_supervised"))["semi_supervised"]


def test_every_caption_names_the_labels_that_the_test_split_cannot_score(database, draw) -> None:
    add_study(database, ("random_init", "byol"), seeds=1, pretrain__epochs=3, evaluate__fractions=[1.0])
    counts = [0 if name == "df" else 50 for name in ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")]
    retell(database, {"info.data.per_class.test": counts})
    told = captions_of(draw("semi_supervised"))["semi_supervised"]
    assert "All or none of the test images have label df, so means over labels leave it out." in told


def test_a_caption_tells_the_grey_range_and_images_without_a_known_label(database, draw) -> None:
    add_study(database, ("random_init", "byol"), seeds=1, pretrain__epochs=3, evaluate__fractions=[1.0])
    grey = {"black": 0.0, "white": 4095.0, "files": 120, "lowest": 0.0, "highest": 4090.0}
    retell(database, {"info.data.grey": grey, "info.data.unknown_labels": 3})
    told = captions_of(draw("semi_supervised"))["semi_supervised"]
    assert "120 files of more than 8 bits: grey value 0 is black, 4095 white." in told
    assert "3 images without a known label left out." in told
