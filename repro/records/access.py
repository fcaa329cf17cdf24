"""Stored runs in Python: `from repro import runs`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo.database import Database

from repro.errors import InputError
from repro.records.document import document
from repro.records.table import frame_of
from repro.store import ENCODER, NO_ENCODER, RunSource, open_archive, open_database, read_artifact
from repro.store.source import Run

if TYPE_CHECKING:
    import pandas as pd

    from repro.pretrain.encoder import Encoder


class Runs:
    """The stored runs, of the run database or of an archive.

    Args:
        archive: a file that `python -m repro.db export` wrote; None: the run database that `REPRO_MONGO_URI` or
            `REPRO_RUNS` names.

    Example:
        from repro import runs
        frame = runs(method=["byol", "byol_tracin"])        # a pandas DataFrame, one row per run
        encoder = runs.encoder(15)                          # a torch module in eval mode
        old = runs.of("figures/reference/runs.zip")(data="dermamnist")
    """

    def __init__(self, archive: str | Path | None = None) -> None:
        self._archive = None if archive is None else Path(archive)

    def of(self, archive: str | Path) -> "Runs":
        """Return the runs of an archive."""
        return Runs(archive)

    def __call__(self, **wanted: Any) -> "pd.DataFrame":
        """Return one row per run (see `repro.records.table.frame_of`).

        Args:
            wanted: filters: method, data, scale, command, status, seed (a value or a list), since (a datetime).

        Raises:
            InputError: no run has such a value, or there is no run database.
        """
        with self._opened() as stored:
            return frame_of(stored, **wanted)

    def encoder(self, run_id: int) -> "Encoder":
        """Return a run's pretrained encoder in eval mode, on the CPU: `[B, 3, H, W]` to features `[B, D]`.

        Images go in as (x / 255 - 0.5) / 0.25; grey ones with their channel three times.

        Raises:
            InputError: there is no such run, or it stored no encoder.
            StorageError: the encoder was left out of the archive.
        """
        with self._opened() as stored:
            return encoder_of_run(stored, run_id)

    def arrays(self, run_id: int, name: str) -> dict[str, Any]:
        """Return the NumPy arrays of a run's artifact, e.g. "test_scores.npz"."""
        import io

        import numpy as np

        with self._opened() as stored:
            content = read_artifact(stored, _run(stored, run_id), name)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)

    @contextmanager
    def _opened(self) -> Iterator[Database | RunSource]:
        if self._archive is None:
            with open_database(writes=False) as database:
                yield database
        else:
            with open_archive(self._archive) as archive:
                yield archive


def encoder_of_run(stored: Database | RunSource, run_id: int) -> "Encoder":
    """Return a run's pretrained encoder, as `Runs.encoder` does."""
    import torch
    from safetensors.torch import load

    from repro.pretrain.encoder import encoder_of

    run = _run(stored, run_id)
    if ENCODER not in {artifact["name"] for artifact in run["artifacts"]}:
        raise InputError(f"run {run_id} ({run['command']}, {run['status']}) {NO_ENCODER}")
    state = load(read_artifact(stored, run, ENCODER))
    with torch.random.fork_rng():  # the caller's random numbers are left alone
        encoder = encoder_of(run["config"])
    encoder.load_state_dict(state)
    return encoder.eval()


def _run(stored: Database | RunSource, run_id: int) -> Run:
    if isinstance(stored, Database):
        return document(stored, run_id)
    run = next((run for run in stored.runs() if run["_id"] == run_id), None)
    if run is None:
        raise InputError(f"no run {run_id} in {stored.name}")
    return run


runs = Runs()
"""The runs of the run database."""
