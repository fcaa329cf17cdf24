"""The reference archive: whole, complete, small, without images and weights; and the README says what it gives."""

import re
from collections import Counter, defaultdict

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
        # Where a process ran says something of its machine's owner; what it computed with does not.
        assert not any(run["host"]["ENV"] for run in runs)


def test_every_method_of_every_study_has_all_its_seeds():
    done, methods = Counter[tuple[str, str]](), defaultdict(set)
    with open_archive(readme.ARCHIVE) as archive:
        for run in archive.runs():
            done[run["info"]["study"], run["info"]["series"]] += 1
            methods[run["info"]["study"]].add(run["config"]["method"]["name"])
    planned, asked = Counter[tuple[str, str]](), defaultdict(set)
    for cell in (*cells("medmnist"), *cells("subset")):
        study = cell.identity["study"]
        planned[study, cell.identity["series"]] += 1
        asked[study].add(cell.config["method"]["name"])
    assert done == {series: planned[series] for series in done}
    assert methods == {study: asked[study] for study in methods}


def test_the_readme_shows_what_the_archive_gives():
    text, picture = readme.result(readme.ARCHIVE)
    (block,) = re.findall(r"<!-- result:[^>]*-->\n(.*?)<!-- end of result -->", readme.README.read_text(), re.DOTALL)
    assert block == text, "type: python -m figures.readme"
    assert readme.PICTURE.read_bytes() == picture
