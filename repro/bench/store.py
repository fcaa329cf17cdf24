"""What does it cost to record every term of the loss at every step?

With the record: a Sacred run, each step's values read from the device, hashed and logged, then journal, delivery to
the run database, and reading back. Without: the same steps. What else the store does has benchmarks of its own:
`figures` over thousands of runs, `prepare` beside a loop of Pillow.
"""

from collections.abc import Iterator

from pymongo.database import Database
from sacred import Experiment
from sacred.run import Run

from repro.bench.comparison import MOST, Comparison
from repro.bench.interleaving import in_turn
from repro.bench.temporary_database import own_database
from repro.bench.workload import ON_GPU, SIZES, Workload
from repro.execution.experiment import quiet
from repro.execution.recorder import Recorder
from repro.store.observer import DurableObserver

REPEATS = 20

STEPS = 1000 if ON_GPU else 40
"""Steps of a run: some seconds."""

ASKED = 1.01 if ON_GPU else 1.02


def measure(repeats: int) -> Iterator[Comparison]:
    """Yield the time of a recorded run over that of the same steps unrecorded."""
    work = Workload("byol_tracin", SIZES[0])
    with own_database() as database:
        ways = {"unrecorded": lambda: _steps(work, None), "recorded": lambda: _recorded(database, work)}
        found = in_turn(ways, repeats, warm_up=1)
    recorded, unrecorded = ([each / STEPS for each in found[name]] for name in ("recorded", "unrecorded"))
    what, peer = f"recorded step, {SIZES[0]} px", "the same, unrecorded"
    yield Comparison(what, recorded, peer, unrecorded, "s", MOST, ASKED)


def _steps(work: Workload, recorder: Recorder | None) -> None:
    for step in range(STEPS):
        for name, value in work.step(step).items():
            if recorder is not None:
                recorder.metric(name, float(value), step)


def _recorded(database: Database, work: Workload) -> None:
    experiment = Experiment("recording", save_git_info=False)
    experiment.logger = quiet

    @experiment.main
    def run(_run: Run) -> None:
        recorder = Recorder(_run)
        _steps(work, recorder)
        recorder.complete()

    observer = DurableObserver(database)
    experiment.observers.append(observer)
    experiment.run()
    observer.finish()
