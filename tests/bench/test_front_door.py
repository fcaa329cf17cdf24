"""The front door of the benchmarks."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from repro.bench import __main__ as bench
from repro.bench.comparison import MOST, Comparison
from tests.test_front_doors import at, refused


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One benchmark that takes no time."""

    def measure(repeats: int) -> Iterator[Comparison]:
        yield Comparison("to count", [1.0] * repeats, "limit", [2.0] * repeats, "s", MOST, 1.0)

    module = ModuleType("quick", "How long does it take to count?\n\nMore.")
    module.measure, module.REPEATS = measure, 3  # type: ignore[attr-defined]
    monkeypatch.setattr(bench, "_found", lambda: {"quick": module})


def test_every_benchmark_is_found_and_says_what_it_asks(capsys: pytest.CaptureFixture):
    assert at(bench.main, "--help") == 0
    said = capsys.readouterr().out
    for name in (
        "augment",
        "cluster",
        "figures",
        "kernel",
        "paging",
        "prepare",
        "scale",
        "selector",
        "store",
        "study",
        "throughput",
    ):
        (line,) = [line for line in said.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith("?")


@pytest.mark.parametrize(("arguments", "repeats"), [((), 3), (("--repeats", "5"), 5)])
def test_every_value_is_written_with_the_machine(quick: None, tmp_path: Path, arguments: tuple[str, ...], repeats: int):
    assert at(bench.main, "quick", *arguments, "--json", str(tmp_path / "b.json")) == 0
    told = json.loads((tmp_path / "b.json").read_text())
    (one,) = told["benchmarks"]["quick"]
    assert one["ours"] == [1.0] * repeats
    assert (one["ratio"], one["reached"]) == (0.5, True)
    assert told["machine"]["cores"] >= 1


def test_rows_without_a_bound_can_be_left_out(quick: None, monkeypatch: pytest.MonkeyPatch, capsys):
    (module,) = bench._found().values()
    asked = module.measure

    def measure(repeats: int) -> Iterator[Comparison]:
        yield from asked(repeats)
        yield Comparison("only told", [1.0], "a peer", [1.0], "s", MOST)

    monkeypatch.setattr(module, "measure", measure)
    assert at(bench.main, "quick") == 0
    assert "only told" in capsys.readouterr().out
    assert at(bench.main, "quick", "--targets") == 0
    said = capsys.readouterr().out
    assert "to count" in said
    assert "only told" not in said


def test_what_is_no_benchmark_is_refused(quick: None, capsys: pytest.CaptureFixture):
    assert "Did you mean 'quick'?" in refused(capsys, bench.main, "quik")
    assert "at least 1" in refused(capsys, bench.main, "--repeats", "0")
