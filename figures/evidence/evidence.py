"""What an artefact is made from: studies, their metric points, and the files that their runs stored."""

import io
import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from figures.evidence.series import Run, Series
from figures.evidence.study import Study
from repro.store import RunSource


@dataclass(frozen=True)
class Evidence:
    """One study, or all of them.

    Args:
        studies: the studies.
        points: of one study every metric point, from `Points.of`; of all studies those of `points.final`, and whose
            they are in the column `study`.
        stored: where they were read from.
        trials: of all studies, also those whose runs choose recipes; their points are there, too.
    """

    studies: tuple[Study, ...]
    points: pd.DataFrame
    stored: RunSource
    trials: tuple[Study, ...] = ()

    @property
    def study(self) -> Study:
        """The study, where there is one."""
        (study,) = self.studies
        return study

    def points_of(self, study: Study) -> pd.DataFrame:
        """Return the points of one of several studies."""
        return self.points[self.points["study"] == study.key]

    def arrays(self, run: Run, name: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of a run's artifact NAME.npz; None where the run has none or an archive leaves it out."""
        for artifact in run["artifacts"]:
            if artifact["name"] == f"{name}.npz":
                content = self.stored.read(artifact["file_id"])
                if content is not None:
                    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                        return dict(arrays)
        return None

    def of_seeds(self, series: Series, name: str, most: int) -> list[tuple[Run, dict[str, np.ndarray]]]:
        """Return the runs of a series that have an artifact NAME.npz, with its arrays: of the `most` lowest seeds."""
        runs = sorted(series.runs, key=lambda run: run["config"]["seed"])
        found = ((run, arrays) for run in runs if (arrays := self.arrays(run, name)) is not None)
        return list(itertools.islice(found, most))

    def first_with(self, series: Series, name: str) -> tuple[Run, dict[str, np.ndarray]] | None:
        """Return the run of the lowest seed that has an artifact NAME.npz, and its arrays."""
        return next(iter(self.of_seeds(series, name, 1)), None)
