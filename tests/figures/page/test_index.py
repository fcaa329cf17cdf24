import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from figures.__main__ import main
from figures.artefacts.registry import ARTEFACTS
from figures.claims.ledger import read
from repro.errors import front_door
from tests.figures.synthetic import add, add_study, add_transfers, add_whole_study, config, metrics

ROOT = Path(__file__).parents[3]

NOT_DRAWN = ("learning", "tuning", "published", "gauntlet", "gauntlet_cost", "partner_errors")
"""Tables and figures whose numbers no run of these tests gives."""


class Page(HTMLParser):
    """Collects what a page refers to and what it says of its images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.alts: list[str | None] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.links += [value for key, value in attrs if key == "href" and value]
        self.sources += [value for key, value in attrs if key in ("src", "srcset") and value]
        self.alts += [found.get("alt")] if tag == "img" else []


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_second_draw_without_the_training_code_gives_identical_bytes(database, draw, tmp_path) -> None:
    two = {"seeds": 2, "evaluate__fractions": [0.1, 1.0], "pretrain__epochs": 6}
    made = add_whole_study(database, ("random_init", "supervised", "byol", "byol_tracin"), **two)
    add_whole_study(database, ("byol_tracin",), tracin__normalize="dot", **two)
    add_transfers(database, {key: run for key, run in made.items() if "byol" in key[0]}, "pneumoniamnist")
    add(database, config("byol", 9), status="FAILED")
    first = draw()
    bare = tmp_path / "bare"
    for folder in ("figures", "repro/store", "repro/doctor"):
        shutil.copytree(ROOT / folder, bare / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py", "files.py", "installed.py", "locks.py", "machine.py", "ranks.py"):
        shutil.copy(ROOT / "repro" / name, bare / "repro" / name)
    done = subprocess.run(
        [sys.executable, "-m", "figures"], cwd=bare, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": "", "PYTHONHASHSEED": "7", "REPRO_RESULTS": "second"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = contents(first), contents(bare / "second")
    study = "dermamnist-official-28px-smoke"
    overall = ("claims", "transfer", "sensitivity", "datasets")
    tables = ("semi_supervised", "selectors", "comparisons", "cost", "settings", *overall)
    names = set()
    for artefact in ARTEFACTS:
        if artefact.name in NOT_DRAWN:
            continue
        name = artefact.name if artefact.overall else f"{study}/{artefact.name}"
        if artefact.name in tables:
            names |= {f"{name}.{kind}" for kind in ("csv", "tex", "md", "json")}
        else:
            names |= {f"{name}.{kind}" for kind in ("pdf", "png", "csv", "json")}
            names |= {f"{name}-column.{kind}" for kind in ("pdf", "png")}
    assert set(one) == set(two) == {*names, "index.html"}
    assert [name for name in one if one[name] != two[name]] == []


def test_page_needs_nothing_but_the_files_beside_it(database, draw) -> None:
    add_study(database, ("byol", "byol_tracin"), seeds=1)
    add_study(database, ("random_init",), seeds=1, data__name="phantom")
    folder = draw()
    page = Page((folder / "index.html").read_text())
    assert page.tags.count("script") == 1  # it is part of the page
    assert "<script src" not in (folder / "index.html").read_text()
    assert page.sources
    assert all(source.startswith("data:") for source in page.sources)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif not link.startswith("data:"):
            assert (folder / unquote(link)).is_file(), link
    linked = {unquote(link) for link in page.links if not link.startswith(("#", "data:"))}
    assert linked == set(contents(folder)) - {"index.html"}
    assert all(alt and len(alt) > 40 for alt in page.alts)
    text = (folder / "index.html").read_text()
    assert "url(http" not in text
    assert "@import" not in text


def test_the_answer_comes_first_then_its_figure_then_a_study_at_a_time(database, draw) -> None:
    made = add_whole_study(database, ("random_init", "supervised", "byol", "byol_tracin"), seeds=3)
    add_transfers(database, {key: run for key, run in made.items() if "byol" in key[0]}, "pneumoniamnist")
    text = (draw() / "index.html").read_text()
    study, ledger = "dermamnist-official-28px-smoke", read()["claim"]
    places = [
        text.index(found)
        for found in ('id="answer"', *(c["short"] for c in ledger if c["source"] == "[A]"), 'id="overall-effects"',
                      f'id="{study}-title"', f'id="{study}-semi_supervised"', 'id="overall-claims"')
    ]  # fmt: skip
    main = text.index("<main")
    assert all(place > main for place in places[:1])
    assert places[0] < min(places[1:])
    assert [place for place in places if place > places[-5]] == places[-4:]
    absent = re.findall(r'<p class="absent">No study has runs of what is compared for: (.*)\.</p>', text)
    without = {html.unescape(short) for names in absent for short in names.split("; ")}
    assert without
    assert without < {c["short"] for c in ledger}
    assert text.count('<li class="card ') == len(ledger) - len(without)
    assert "4 methods, 12 runs, 3 seeds (0, 1, 2). Fine-tuning, 1\u00a0% of labels, balanced accuracy" in text


def test_runs_that_another_run_repeats_fold_away_and_others_do_not(database, draw) -> None:
    add_study(database, ("byol",), seeds=1)
    add(database, config("byol", 0), status="FAILED")
    add(database, config("byol", 1), status="FAILED")
    text = (draw() / "index.html").read_text()
    section = text[text.index('<section class="left-out"') :]
    before, _, within = section.partition("<details>")
    assert "seed 1" in before
    assert "seed 0" not in before
    assert "seed 0" in within.partition("</details>")[0]


def test_everything_is_drawn_of_a_database_with_holes_and_the_damaged_run_is_named(database, draw, capsys) -> None:
    methods = ("random_init", "supervised", "byol", "byol_tracin", "a_method_of_mine")
    made = add_whole_study(database, methods, seeds=1)
    undefined = metrics(config("byol", 1))
    for name, (_, values) in undefined.items():
        if name.startswith(("test/", "partners/")):
            values[:] = [math.nan] * len(values)
    add(database, config("byol", 1), points=undefined)
    lacking = metrics(config("byol_cosine", 0))
    fewer = {name: both for name, both in lacking.items() if "linear" not in name and not name.startswith("partners")}
    add(database, config("byol_cosine", 0), points=fewer)  # cells that are missing
    damaged = add(database, config("byol_tracin", 1))
    database.metrics.update_one({"run_id": damaged, "name": "pretrain/loss"}, {"$set": {"values.3": 0.5}})
    add_transfers(database, {("byol", 0): made["byol", 0]}, "breastmnist")
    folder = draw()
    said = capsys.readouterr().err
    assert f"left out: run {damaged}, train byol_tracin dermamnist seed 1: metric pretrain/loss is altered" in said
    study = folder / "dermamnist-official-28px-smoke"
    drawn = {path.stem for path in (*study.glob("*.json"), *folder.glob("*.json"))}
    assert drawn == {artefact.name for artefact in ARTEFACTS} - {*NOT_DRAWN, "sensitivity"}
    text = (folder / "index.html").read_text()
    assert f"Run {damaged}, train byol_tracin dermamnist seed 1: metric pretrain/loss is altered" in text
    absent = re.findall(r'<p class="absent">Not here, since no stored run gives a number for it: (.*)\.</p>', text)
    assert any("How results change with settings that the abstract does not give" in names for names in absent)
    linear = (study / "semi_supervised.md").read_text().split("**Linear probe**")[1].split("**")[0]
    assert "| BYOL + cosine | – | – | – | – | – |" in linear
    assert "| a_method_of_mine |" in linear
    assert "supported |" not in (folder / "claims.md").read_text().replace("not supported |", "")
    ids = {run for path in folder.rglob("*.json") for run in json.loads(path.read_text())["runs"]}
    assert damaged not in ids


def test_figures_embed_their_fonts_and_carry_no_date(database, draw) -> None:
    add_study(database, ("byol",), seeds=1)
    paths = list(draw("label_efficiency", "training_curves").rglob("*.pdf"))
    assert len(paths) == 4
    for path in paths:
        pdf = path.read_bytes()
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf
        assert b"/CreationDate" not in pdf


def refused(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Return the one line that the front door says on its way out with code 2."""
    monkeypatch.setattr(sys, "argv", ["figures", *arguments])
    with pytest.raises(SystemExit) as end:
        front_door(main)
    said = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert [line for line in said if line.startswith("error: ")] == said[-1:]
    return said[-1]


def test_results_folder_that_cannot_be_written_is_refused(database, tmp_path, capsys, monkeypatch) -> None:
    add_study(database, ("byol",), seeds=1)
    (tmp_path / "file").write_text("")
    said = refused(capsys, monkeypatch, "--out", str(tmp_path / "file" / "x"))
    assert said.startswith("error: results: cannot write to")


def test_study_folder_that_cannot_be_written_is_refused(database, tmp_path, capsys, monkeypatch) -> None:
    add_study(database, ("byol",), seeds=1)
    (tmp_path / "dermamnist-official-28px-smoke").write_text("in the way")
    assert "cannot write to" in refused(capsys, monkeypatch, "semi_supervised", "--out", str(tmp_path))


def test_unknown_artefact_is_refused_with_a_suggestion(tmp_path, capsys, monkeypatch) -> None:
    said = refused(capsys, monkeypatch, "semi_supervized", "--out", str(tmp_path))
    assert "Did you mean 'semi_supervised'?" in said


@pytest.mark.parametrize("status", [None, "FAILED"])
def test_nothing_to_draw_says_how_to_make_runs(database, tmp_path, capsys, monkeypatch, status) -> None:
    if status:
        add(database, config("byol", 0), status=status)
    assert "make demo" in refused(capsys, monkeypatch, "--out", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == {}


def test_named_tables_are_printed_as_markdown_after_their_paths(database, draw, capsys) -> None:
    add_study(database, ("byol",), seeds=1, pretrain__epochs=2, evaluate__fractions=[1.0])
    add_study(database, ("byol",), seeds=1, pretrain__epochs=2, evaluate__fractions=[1.0], data__size=64)
    folder = draw("selectors", "training_curves")
    printed, studies = capsys.readouterr().out, sorted(folder.iterdir())
    assert len(studies) == 2
    blocks = [
        f"{study / 'selectors.*'}\n\n{(study / 'selectors.md').read_text()}\n{study / 'training_curves.*'}\n"
        for study in studies
    ]
    assert printed in ("".join(blocks), "".join(reversed(blocks)))


def test_nothing_but_paths_is_printed_where_nothing_is_named(database, draw, capsys) -> None:
    add_study(database, ("byol",), seeds=1, pretrain__epochs=2, evaluate__fractions=[1.0])
    folder = draw()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) > 5
    assert all(line.startswith(str(folder)) for line in printed)


def test_what_can_no_longer_be_drawn_does_not_stay_as_it_was(database, draw) -> None:
    add_study(database, ("byol",), seeds=1, data__name="breastmnist")
    lone = add(database, config("byol_cosine", 0, data__name="breastmnist"))
    before = contents(draw("comparisons", "cost"))
    assert {Path(name).stem for name in before} == {"comparisons", "cost"}
    database.runs.update_one({"_id": lone}, {"$set": {"status": "FAILED"}})
    assert {Path(name).stem for name in contents(draw("comparisons", "cost"))} == {"cost"}


def test_named_artefact_alone_is_drawn(database, draw) -> None:
    add_study(database, ("byol",), seeds=1)
    folder = draw("label_efficiency")
    assert {Path(name).name.split(".")[0] for name in contents(folder)} == {
        "label_efficiency",
        "label_efficiency-column",
    }
