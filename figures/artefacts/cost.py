"""The table of cost: what pretraining and evaluation of each method took, as its runs timed it."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing.cells import both, intervals, most_seeds, seeds_cell
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence.evidence import Evidence
from figures.evidence.series import Run, Series
from figures.evidence.study import Study
from figures.evidence.timings import comparable_epoch_seconds, device_of, epoch_seconds
from figures.statistics.differences import BASELINE
from figures.statistics.estimates import estimate

STATISTICS = {
    "epoch_s": "Epoch (s)",
    "over_byol": f"Epoch, over {style.look(BASELINE).label} (×)",
    "images_per_second": "Images per second",
    "peak_memory_mb": "Peak memory (MB)",
    "pretrain_min": "Pretraining (min)",
    "evaluate_min": "Evaluation (min)",
    "device_hours": "Device-hours of a run",
}
"""Heading of each column."""

DISTURBED = 0.25
"""Cores of other work, on average, from which on a run's times are marked. [us]"""

COLUMNS = ("device", "method", "label", "series", "statistic", "seeds", "undefined", "mean", "low", "high", "runs")


def make(evidence: Evidence) -> Table | None:
    """Return the table of a study."""
    study = evidence.study
    rows = [
        row
        for device in sorted({device_of(run) for run in study.own_runs})
        for series in study.series
        for row in _measured(study, series, device)
    ]
    data = pd.DataFrame(rows, columns=list(COLUMNS))
    if not data["seeds"].any():
        return None
    groups = []
    for device, on_device in data.groupby("device", sort=False):
        by_series = on_device.groupby("series", sort=False)
        lines = [(str(rows["label"].iloc[0]), _row(rows)) for _, rows in by_series]
        groups.append(Group(str(device), lines))
    return Table(_caption(study, data), data, [], Grid("Method", [*STATISTICS.values(), "Seeds"], groups))


def _measured(study: Study, series: Series, device: str) -> Iterator[tuple[Any, ...]]:
    """Yield COLUMNS for the runs of a series on a device, if it has any."""
    runs = [run for run in series.runs if device_of(run) == device]
    base = study.trainer(BASELINE)
    bases = [] if base is None else [run for run in base.runs if device_of(run) == device]
    byol = estimate(comparable_epoch_seconds(run) for run in bases).mean
    if not runs:
        return
    for statistic in STATISTICS:
        found = {run["_id"]: _of(run, statistic, byol) for run in runs}
        known = {run: value for run, value in found.items() if math.isfinite(value)}
        mean = estimate(known.values())
        behind = {*known, *(run["_id"] for run in bases if statistic == "over_byol" and known)}
        cell = (device, series.method, series.label, series.key, statistic)
        yield (*cell, mean.seeds, mean.undefined, mean.mean, mean.low, mean.high, " ".join(map(str, sorted(behind))))


def _of(run: Run, statistic: str, byol: float) -> float:
    """Return one number of a run; NaN where it does not have it."""
    timings = run["info"].get("timings", {})
    pretrain, evaluate = (timings.get(key, math.nan) for key in ("pretrain_s", "evaluate_s"))
    devices = timings.get("processes", 1)
    found = {
        "epoch_s": epoch_seconds(run),
        "over_byol": comparable_epoch_seconds(run) / byol,
        "images_per_second": timings.get("images_per_second", math.nan) or math.nan,  # 0: resumed when all was done
        "peak_memory_mb": timings.get("peak_memory_mb", timings.get("process_peak_memory_mb", math.nan)),
        "pretrain_min": pretrain / 60,
        "evaluate_min": evaluate / 60,
        "device_hours": (sum(s for s in (devices * pretrain, evaluate) if math.isfinite(s)) or math.nan) / 3600,
    }
    return float(found[statistic])


def _row(rows: pd.DataFrame) -> list[Cell]:
    seeds = most_seeds(rows)
    return [*(_cell(mean, seeds) for mean in rows.itertuples()), seeds_cell(rows)]


def _cell(mean: Any, seeds: int) -> Cell:
    if not mean.seeds:
        return Cell(MISSING)
    digits = 2 if mean.mean < 10 else 1 if mean.mean < 100 else 0
    if mean.seeds == 2:
        return Cell(both(mean.low, mean.high, f",.{digits}f"), "", "n = 2" if seeds != 2 else "")
    spread = f"{mean.high - mean.mean:.{digits}f}" if mean.seeds > 1 else ""
    return Cell(f"{mean.mean:,.{digits}f}", spread, f"n = {mean.seeds}" if mean.seeds != seeds else "")


def _caption(study: Study, data: pd.DataFrame) -> str:
    sentences = [
        "Time and memory as each run recorded them, on a machine that may have had other work: no benchmark.",
        f"Over {style.look(BASELINE).label}: an epoch against the mean epoch of {style.look(BASELINE).label} on the "
        "same device; on a CPU by processor time, which other work on the machine changes too.",
    ]
    other = [run["info"].get("timings", {}).get("other_work_cores") for run in study.own_runs]
    known = [cores for cores in other if cores is not None]
    if disturbed := sum(cores > DISTURBED for cores in known):
        sentences.append(
            f"DISTURBED: other work took more than {DISTURBED:g} of a core beside {disturbed} of {len(known)} runs, so "
            "compare their times with care; `python -m repro.bench` measures ratios side by side."
        )
    if any("process_peak_memory_mb" in run["info"].get("timings", {}) for run in study.own_runs):
        sentences.append("On a CPU, peak memory is that of the process, earlier runs in it included.")
    return " ".join([*sentences, *intervals(data, study.own_runs), f"{MISSING}: does not apply, or was not stored."])


ARTEFACT = Artefact("cost", "Training cost", make)
