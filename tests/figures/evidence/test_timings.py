"""How long runs took, from what they stored."""

import math
from typing import Any

import pytest

from figures.claims.answer import compute
from figures.evidence.timings import core_hours


def _run(**timings: float) -> Any:
    return {"info": {"timings": timings}}


def test_core_hours_are_processor_time_of_what_the_run_did():
    both = _run(pretrain_s=9.0, pretrain_processor_s=3600.0, evaluate_s=9.0, evaluate_processor_s=1800.0)
    assert core_hours(both) == pytest.approx(1.5)
    assert core_hours(_run(evaluate_s=9.0, evaluate_processor_s=1800.0)) == pytest.approx(0.5)  # without pretraining
    assert core_hours(_run(pretrain_s=9.0, pretrain_processor_s=3600.0)) == pytest.approx(1.0)
    assert math.isnan(core_hours(_run(pretrain_s=9.0, pretrain_processor_s=3600.0, evaluate_s=9.0)))


def test_the_compute_of_runs_is_said_and_of_those_alone_that_know_it():
    timed, old = _run(evaluate_s=9.0, evaluate_processor_s=5400.0), _run(evaluate_s=9.0)
    holds = "The archive behind these sentences holds"
    assert compute([timed, timed]) == f"{holds} 2 runs, which took 3.0 core hours of a CPU."
    assert compute([timed, old]) == f"{holds} 2 runs, 1 of which took 1.5 core hours of a CPU."
    assert compute([old]) == f"{holds} 1 run."
    chose = f"{holds} 2 runs (1 of them to choose recipes), which took 3.0 core hours of a CPU."
    assert compute([timed, timed], tried=1) == chose
