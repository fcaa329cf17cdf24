"""`table`: one row per run, with its settings and its final scores, for pandas, R or a spreadsheet."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo.database import Database

from repro.errors import InputError
from repro.files import write_whole
from repro.records.document import config_of
from repro.records.filters import add_filters, chosen, given
from repro.records.summary import Summary, is_ours, status_of, summary
from repro.store import RunSource, metric_points, source_of
from repro.store.source import Run

if TYPE_CHECKING:
    import pandas as pd

PLAIN = ("run", "status", "command", "method", "data", "scale", "seed", "started", "minutes")


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser("table", help="write one row per run, settings and final scores, as CSV or Parquet")
    parser.add_argument("file", type=Path, help="file to write: *.csv, or *.parquet where pyarrow is installed")
    add_filters(parser)


def run(database: Database, options: argparse.Namespace) -> None:
    """Write the table."""
    if options.file.suffix not in (".csv", ".parquet"):
        raise InputError(f"{options.file}: name it *.csv or *.parquet, so that its format is clear")
    frame = frame_of(database, **given(options))
    write_whole(options.file, _csv(frame) if options.file.suffix == ".csv" else _parquet(frame))
    print(f"{options.file}: {len(frame)} runs, {len(frame.columns)} columns")


def frame_of(stored: Database | RunSource, **wanted: Any) -> "pd.DataFrame":
    """Return one row per run, by ascending id.

    Args:
        stored: a run database, or another source of runs, such as an archive.
        wanted: filters, as of `chosen`.

    Returns:
        Index: run. Columns: status, command, method, data, scale, seed, started (UTC), minutes; "config.KEY" for every
        setting (lists as text); "val/PROTOCOL/METRIC/PERCENT" and "test/PROTOCOL/METRIC/PERCENT" for every final score.
        NaN where a run has none: those that choose recipes have none on test.
    """
    import pandas as pd

    source = source_of(stored)
    runs = {run["_id"]: run for run in source.runs() if is_ours(run)}
    rows = chosen([_summary(stored, run) for run in runs.values()], **wanted)
    settings = {row["run"]: _settings(runs[row["run"]]) for row in rows}
    plain = pd.DataFrame([{name: row[name] for name in PLAIN} for row in rows], columns=list(PLAIN)).set_index("run")
    table = [plain, pd.DataFrame.from_dict(settings, orient="index"), _scores(source, list(settings))]
    return pd.concat(table, axis=1).rename_axis("run")


def _summary(stored: Database | RunSource, run: Run) -> Summary:
    return summary(run, status_of(stored, run) if isinstance(stored, Database) else None)


def _settings(run: Run) -> dict[str, Any]:
    plain = (str, int, float, bool, type(None))
    return {f"config.{k}": v if isinstance(v, plain) else str(v) for k, v in sorted(config_of(run).items())}


def _scores(source: RunSource, run_ids: Sequence[int]) -> "pd.DataFrame":
    points = metric_points(source, run_ids, ("val/", "test/"))
    names = points["name"] + "/" + points["step"].map("{:g}".format)
    return points.assign(name=names).pivot_table(index="run_id", columns="name", values="value", aggfunc="last")


def _csv(frame: "pd.DataFrame") -> bytes:
    return frame.to_csv(lineterminator="\n").encode()


def _parquet(frame: "pd.DataFrame") -> bytes:
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer)
    except ImportError:
        raise InputError("Parquet needs the package pyarrow, which is not installed; write *.csv instead") from None
    return buffer.getvalue()
