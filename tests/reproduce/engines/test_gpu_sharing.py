"""How many cells share a GPU: decided from looks at one, here written down by hand."""

from pathlib import Path

import pytest

from repro.reproduce.engines.gpu_sharing import MOST, SAMPLES, Limit, Look, cells_at_once, looked

EMPTY = Look(0.0, 1000.0, 81_000.0)


def at_work(busy: float, taken: float) -> Look:
    return Look(busy, EMPTY.used + taken, EMPTY.total)


@pytest.mark.parametrize(
    ("during", "cores", "shared", "expected"),
    [
        ([at_work(0.25, 2000)], 16, False, 4),  # three quarters of the time it waits for launches
        ([at_work(0.25, 2000)], 16, True, 8),
        ([at_work(0.25, 2000)], 2, False, 2),  # each launches from a core of its own
        ([at_work(1.0, 2000)], 16, False, 1),  # it is busy with one
        ([at_work(1.0, 2000)], 16, True, 2),
        ([at_work(0.25, 30_000)], 16, False, 2),  # of 80 GB
        ([at_work(0.25, 79_000)], 16, False, 1),
        ([at_work(0.02, 100)], 64, True, MOST),
        ([at_work(0.2, 2000), at_work(0.3, 30_000)], 16, False, 2),  # the most that was taken counts
        ([at_work(0.0, 2000)], 16, False, 1),  # nothing is known
    ],
)
def test_cells_fill_the_gaps_between_launches_as_memory_and_cores_allow(
    during: list[Look], cores: int, shared: bool, expected: int
):
    assert cells_at_once(EMPTY, during, cores, shared) == expected


@pytest.mark.parametrize(("visible", "asked"), [(None, "0"), ("", "0"), ("3,1", "3"), ("GPU-8f2a", "GPU-8f2a")])
def test_the_gpu_that_is_looked_at_is_the_first_that_cuda_may_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str | None, asked: str
):
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\nfor last; do :; done\n[ "$last" = "--id=$ASKED" ] && echo "40, 1000, 81000"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("ASKED", asked)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert looked() == Look(0.4, 1000, 81000)


def test_one_cell_works_alone_until_enough_was_seen_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    looks = iter([EMPTY, at_work(0.0, 500)] + [at_work(0.9, 3000)] * (SAMPLES // 2) + [at_work(0.25, 4000)] * SAMPLES)
    limit = Limit(16, lambda: next(looks))
    found = [limit() for _ in range(SAMPLES + 3)]
    assert found == [1] * SAMPLES + [4] * 3, "what it did at first does not count"
    (tmp_path / "control").touch()
    looks = iter([EMPTY] + [at_work(0.25, 4000)] * SAMPLES)
    limit = Limit(16, lambda: next(looks))
    assert [limit() for _ in range(SAMPLES)][-1] == 8


def test_without_a_word_from_the_driver_a_cell_has_the_gpu_for_itself():
    limit = Limit(16, lambda: None)
    assert [limit() for _ in range(20)] == [1] * 20
