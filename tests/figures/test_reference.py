"""The reference archive: whole, complete, small, without images and weights; and the README says what it gives."""

import re

import pytest

from figures import readme
from repro.reproduce.plan import cells
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


def test_every_method_of_every_study_has_all_its_seeds():
    planned = {cell.key: cell for scale in ("medmnist", "subset") for cell in cells(scale)}
    with open_archive(readme.ARCHIVE) as archive:
        there = [run["info"]["cell"] for run in archive.runs()]
    assert len(there) == len(set(there))
    assert set(there) <= planned.keys()
    # A series is there with all its seeds or not at all; so is a study with its methods.
    series = {planned[cell].identity["series"] for cell in there}
    studies = {planned[cell].identity["study"] for cell in there}
    assert {key for key, cell in planned.items() if cell.identity["series"] in series} == set(there)
    methods = {(cell.identity["study"], cell.named[0]) for cell in planned.values()}
    shown = {(planned[cell].identity["study"], planned[cell].named[0]) for cell in there}
    assert {pair for pair in methods if pair[0] in studies} == shown


def test_the_main_comparisons_of_the_scale_medmnist_and_transfer_both_ways_are_in_it():
    study = cells("medmnist")
    main = {cell.key for cell in study if cell.origin is None and cell.updates.keys() <= {"seed", "data.split"}}
    assert len(main) == 3 * 12 * 5  # DermaMNIST by lesion and as published, PneumoniaMNIST; methods; seeds
    transfers = {cell.key for cell in study if cell.origin is not None and cell.named[1] != "breastmnist"}
    assert len(transfers) == 2 * 9 * 5
    with open_archive(readme.ARCHIVE) as archive:
        assert main | transfers <= {run["info"]["cell"] for run in archive.runs()}


def test_the_readme_shows_what_the_archive_gives():
    text, picture = readme.result(readme.ARCHIVE)
    (block,) = re.findall(r"<!-- result:[^>]*-->\n(.*?)<!-- end of result -->", readme.README.read_text(), re.DOTALL)
    assert block == text, "type: python -m figures.readme"
    assert readme.PICTURE.read_bytes() == picture
