"""The reference archive: whole, complete, small, without images and weights; and the README says what it gives."""

import re

import pytest
from scipy import stats

from figures import readme
from figures.evidence import reading
from repro import runs as kit_runs
from repro.configs.recipes import chosen
from repro.store import examine, open_archive
from repro.store.optional import kind_of

MEGABYTES = 50

pytestmark = pytest.mark.slow


def test_every_run_is_whole_and_no_image_or_weight_is_in_it():
    assert readme.ARCHIVE.stat().st_size < 1e6 * MEGABYTES
    with open_archive(readme.ARCHIVE) as archive:
        runs = archive.runs()
        assert [finding.problems for finding in examine(archive, runs)] == [[]] * len(runs)
        held = {a["name"] for run in runs for a in run["artifacts"] if archive.read(a["file_id"]) is not None}
        assert held <= {"selection.npz", "test_scores.npz"}
        assert {kind_of(name) for name in held} <= {None, "scores"}
        for run in runs:
            document = archive.run(run["_id"])
            assert (document["host"]["hostname"], document["experiment"]["base_dir"]) == ("", "")


def test_no_cell_is_in_it_twice_and_no_seed_is_left_out():
    """Seeds of a series follow each other; those of transfers begin with the first encoder that was kept."""
    with open_archive(readme.ARCHIVE) as archive:
        cells = [run["info"]["cell"] for run in archive.runs()]
        studies = reading.read(archive).studies
    assert len(cells) == len(set(cells))
    for study in studies:
        for series in (one for one in study.all_series if one.runs):
            seeds = sorted(run["config"]["seed"] for run in series.runs)
            first = seeds[0] if series.origin is not None else 0
            assert seeds == list(range(first, first + len(seeds))), series.label
            assert len(seeds) >= 3 or study.scale == "medmnist_protocol", series.label  # hours each


def test_byol_with_and_without_the_additional_positive_is_in_it_on_both_data_sets():
    with open_archive(readme.ARCHIVE) as archive:
        studies = reading.read(archive).studies
    for name, split in (("dermamnist", "lesion"), ("pneumoniamnist", "official")):
        (study,) = [
            one
            for one in studies
            if (one.config["data"]["name"], one.config["data"]["split"], one.scale) == (name, split, "medmnist")
        ]
        enough = {one.method for one in study.references if len(one.runs) >= 3}
        assert enough >= {"random_init", "byol", "byol_tracin"}, name


def test_the_runs_that_chose_the_recipes_are_in_it():
    with open_archive(readme.ARCHIVE) as archive:
        status = {run["_id"]: run["status"] for run in archive.runs()}
    behind = {run for one in chosen()["medmnist"].values() for run in one.get("runs", ())}
    assert {status.get(run) for run in behind} == {"COMPLETED"}


def test_the_readme_and_the_results_page_show_what_the_archive_gives():
    answer, tables, pictures = readme.result(readme.ARCHIVE)
    for file, text in ((readme.README, answer), (readme.RESULTS, tables)):
        (block,) = re.findall(r"<!-- result:[^>]*-->\n(.*?)<!-- end of result -->", file.read_text(), re.DOTALL)
        assert block == text, "type: python -m figures.readme"
    assert {file.name: file.read_bytes() for file in readme.REFERENCE.glob("*.png")} == pictures


def test_what_right_partners_gain_in_the_readme_is_what_the_stored_scores_give():
    said, every = readme.README.read_text(), kit_runs.of(readme.ARCHIVE)()
    every = every[(every["scale"] == "medmnist") & every["config.evaluate.pretraining"].isna()]
    for data in ("dermamnist", "pneumoniamnist"):
        mine = every[every["data"] == data].set_index("seed")
        right = mine[(mine["method"] == "byol_oracle") & (mine["config.selector.error"] == 0)]
        assert len(right) >= 3
        for protocol, name in (("finetune", "fine-tuning"), ("linear", "linear probe")):
            columns = [f"test/{protocol}/balanced_accuracy/{percent}" for percent in (1, 10)]
            byol = mine.loc[mine["method"] == "byol", columns].mean(axis=1)
            gain = 100 * (right[columns].mean(axis=1) - byol).dropna()
            half = stats.t.ppf(0.975, len(gain) - 1) * gain.std() / len(gain) ** 0.5
            mean = f"{gain.mean():+.1f}".replace("-", "−")
            assert f"{mean} ± {half:.1f} ({name})" in said, (data, name)
