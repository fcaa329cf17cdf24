"""What a run writes stands in its record: log lines and warnings do, progress bars do not, and its size is bounded."""

import logging
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pymongo.database import Database

from repro import run
from repro.execution import output_capture
from repro.execution.output_capture import capturing
from repro.pretrain import example_images
from repro.progress import Progress
from repro.store import find_runs, problems_of
from tests.data.test_medmnist import arrays, written
from tests.test_front_doors import QUICK, at


def test_what_is_written_is_kept_and_shown_as_before(capsys: pytest.CaptureFixture):
    before = sys.stdout, sys.stderr
    with capturing() as kept:
        print("one")
        print("two", file=sys.stderr)
        sys.stdout.write("half a li")
        assert kept.text() == "one\ntwo\nhalf a li"
        print("ne")
    print("after")
    assert (sys.stdout, sys.stderr) == before
    assert kept.text() == "one\ntwo\nhalf a line\n"
    assert capsys.readouterr() == ("one\nhalf a line\nafter\n", "two\n")


def test_a_bar_that_another_library_draws_leaves_its_last_state():
    with capturing() as kept:
        for percent in range(0, 101, 10):
            sys.stderr.write(f"\rloading {percent} %")
        assert kept.text() == "loading 100 %"
        sys.stderr.write("\nwindows\r\n\rdone\n")
    assert kept.text() == "loading 100 %\nwindows\ndone\n"


def test_our_own_progress_is_not_kept():
    with capturing() as kept, Progress("work", 3) as progress:
        progress.advance(3)
    assert kept.text() == ""


def test_of_too_much_the_two_ends_are_kept_and_the_rest_counted():
    lines = [f"line {i}\n" for i in range(200_000)]
    with capturing() as kept:
        for line in lines:
            kept.write(line)
    text = kept.text()
    assert len(text) < 2 * output_capture.HALF + 100
    begin, _, end = text.partition("\n[... ")
    count, _, end = end.partition(" characters are left out here ...]\n")
    whole = "".join(lines)
    assert whole.startswith(begin + "\n" * (not begin.endswith("\n")))
    assert whole.endswith(end)
    assert len(begin) + int(count) + len(end) == len(whole)


def test_one_endless_line_is_bounded_too():
    with capturing() as kept:
        for _ in range(1000):
            kept.write("x" * 1000)
    assert len(kept.text()) <= output_capture.HALF


def test_what_is_no_text_can_be_stored_all_the_same():
    with capturing() as kept:
        kept.write("a\udcffb")
    assert kept.text().encode() == b"a?b"


def test_threads_that_write_and_one_that_reads_lose_nothing():
    """Sacred's own capture reads at the place where the others write."""
    with capturing() as kept:
        writers = [
            threading.Thread(target=lambda n=n: [kept.write(f"{n}:{i}\n") for i in range(300)]) for n in range(4)
        ]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            kept.text()
    assert sorted(kept.text().split()) == sorted(f"{n}:{i}" for n in range(4) for i in range(300))


def at_first(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Call the front door of runs as a new process would, where nobody has set up logging."""
    with monkeypatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])
        return at(run.main, *words)


SMALL = ["chestmnist", "smoke", *(word for word in QUICK if not word.startswith("data.limit"))]


def without_positives(folder: Path) -> None:
    """A file of 14 labels, of which the fifth has no positive in the test split."""
    content = arrays(64, channels=1)
    for split in ("train", "val", "test"):
        content[f"{split}_labels"] = np.random.default_rng(1).integers(0, 2, (64, 14), dtype=np.uint8)
    content["test_labels"][:, 4] = 0
    written(folder, content, "chestmnist")


def test_warnings_of_a_run_stand_in_its_record(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch):
    without_positives(folder)
    words = ["with", "random_init", *SMALL, "evaluate.protocols=['knn']"]
    for seed in (0, 1):
        assert at_first(monkeypatch, *words, f"seed={seed}") == 0
    for stored in database.runs.find():
        lines = stored["captured_out"].splitlines()
        assert any("on chestmnist (28 px, official split), seed" in line for line in lines)
        assert sum("has no positives among 64 images" in line for line in lines) == 1
        assert len(lines) < 20
        assert problems_of(database, stored) == []
        # What the provenance says stands where Sacred's tools look for it, too.
        provenance = stored["info"]["provenance"]
        assert f"torch=={provenance['versions']['torch']}" in stored["experiment"]["dependencies"]
        assert stored["host"]["processor"] in provenance["processor"]
        (repository,) = stored["experiment"]["repositories"]
        assert (repository["commit"], repository["dirty"]) == (provenance["commit"], provenance["dirty"])
        set_by_hand = stored["meta"]["config_updates"]
        assert (set_by_hand["evaluate"]["fractions"], set_by_hand["evaluate"]["protocols"]) == ([0.5, 1.0], ["knn"])
        assert "augment" not in set_by_hand
    assert database.runs.count_documents({"meta.config_updates.data.name": "chestmnist"}) == 2
    assert database.runs.count_documents({"meta.config_updates.seed": 1}) == 1


def test_what_a_run_wrote_last_before_it_broke_stands_in_its_record(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    def breaks(*_: object) -> None:
        logging.getLogger("repro").warning("the last line")
        raise ArithmeticError

    monkeypatch.setattr(example_images, "viewed", breaks)
    with pytest.raises(ArithmeticError):
        at_first(monkeypatch, "with", "byol", "phantom", "smoke", *QUICK)
    (failed,) = find_runs(database)
    assert failed["status"] == "FAILED"
    assert database.runs.find_one()["captured_out"].endswith("WARNING repro: the last line\n")
