"""A study: the stored runs that may stand side by side, as series."""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from figures.evidence.series import Origin, Run, Series, plain_label

PAPERS_METHOD = "byol_tracin"
"""The paper's method: what is shown of one method alone is shown of it, where it has runs."""


@dataclass(frozen=True)
class LeftOut:
    """A run that is not drawn.

    Args:
        run: its id.
        what: method, data set and seed.
        problems: why, one phrase each.
        replaced_by: id of a whole run of the same series and seed, which is drawn instead.
    """

    run: int
    what: str
    problems: tuple[str, ...]
    replaced_by: int | None

    def __str__(self) -> str:
        instead = f" (run {self.replaced_by} repeats it, is whole, and drawn)" if self.replaced_by else ""
        return f"run {self.run}, {self.what}: {'; '.join(self.problems)}{instead}"


@dataclass(frozen=True)
class Study:
    """Runs that differ in seed and method only, and so may be compared.

    Args:
        key: `info.study` of the runs.
        folder: name of its folder below the results.
        series: its series; also those whose every run is left out, so that the hole is seen.
        transfers: series that judge encoders pretrained on other images; they stand in a table of their own.
        left_out: its runs that are not drawn.
        note: in what it differs from a greater one with the same images and scale; empty where there is none.
    """

    key: str
    folder: str
    series: tuple[Series, ...]
    transfers: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]
    note: str = ""

    @functools.cached_property
    def own_runs(self) -> list[Run]:
        """The runs that are drawn, without transfers, by id."""
        return _runs(self.series)

    @functools.cached_property
    def runs(self) -> list[Run]:
        """The runs that are drawn, by id."""
        return _runs((*self.series, *self.transfers))

    @functools.cached_property
    def references(self) -> tuple[Series, ...]:
        """One series per method, under the method's plain name: what figures of scores show."""
        return tuple(_plain(one) for one in self.series if one.reference)

    @functools.cached_property
    def trainers(self) -> tuple[Series, ...]:
        """One series per method, under the method's plain name: what figures of pretraining show."""
        return tuple(_plain(one) for one in self.series if one.trainer)

    @property
    def all_series(self) -> tuple[Series, ...]:
        """Its series and its transfers."""
        return (*self.series, *self.transfers)

    def reference(self, method: str, origin: Origin | None = None) -> Series | None:
        """Return the series that stands for a method, or for its transfers from an origin; None where none has runs."""
        found = (one for one in (*self.references, *self.transfers) if one.method == method and one.origin == origin)
        return next((one for one in found if one.reference and one.runs), None)

    def trainer(self, method: str) -> Series | None:
        """Return the series that stands for a method's pretraining; None where it has no runs."""
        return next((one for one in self.trainers if one.method == method and one.runs), None)

    @property
    def config(self) -> dict[str, Any]:
        """Config of the newest run; outside seed and method all agree."""
        return self.runs[-1]["config"]

    @property
    def data(self) -> dict[str, Any]:
        """What the newest run recorded about its images."""
        return self.runs[-1]["info"]["data"]

    @property
    def scale(self) -> str:
        """Name of the scale; names joined by + where runs of one study give several."""
        return "+".join(sorted({str(run["config"]["scale"]) for run in self.runs}))

    @property
    def trial(self) -> bool:
        """Whether its runs leave the test split alone: they choose a recipe, and are no study."""
        return not self.config["evaluate"].get("test", True)

    @property
    def phantom(self) -> bool:
        """Whether the images are procedural."""
        return bool(self.data.get("stands_in_for")) or str(self.config["data"]["name"]).startswith("phantom")

    def same_images(self, other: "Study") -> bool:
        """Whether two studies have the same images, labels and division."""
        known = self.data.get("sha256") is not None
        return known and all(self.data.get(key) == other.data.get(key) for key in ("sha256", "splits_sha256"))


def _plain(series: Series) -> Series:
    return dataclasses.replace(series, label=plain_label(series.method, series.runs), variant=0)


def _runs(series: Iterable[Series]) -> list[Run]:
    return sorted((run for one in series for run in one.runs), key=lambda run: run["_id"])
