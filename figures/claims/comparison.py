"""Two methods compared for a claim, run by run: by test scores, by partners of the same label, or by time."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from figures.claims.ledger import Claim
from figures.drawing.selectors import stroke_of
from figures.evidence import titles
from figures.evidence.partners import gain_over
from figures.evidence.series import Series
from figures.evidence.timings import comparable_epoch_seconds, device_of
from figures.statistics.differences import MEAN, gains, one_by_one
from figures.statistics.estimates import Difference, difference, estimate


@dataclass(frozen=True)
class Answer:
    """What runs say to a claim.

    Args:
        gain: what is tested, in favour of the claim where its mean is positive.
        effect: mean, low and high of what is printed.
        against: name of what is compared with.
        each: what is printed, pair by pair, by seed or run.
        runs: ids of the runs behind it.
        note: what a reader has to know of it.
    """

    gain: Difference
    effect: tuple[float, float, float]
    against: str
    each: str
    runs: tuple[int, ...]
    note: str = ""

    @property
    def doubt(self) -> float:
        """The one-sided p-value of the claim: small where the runs speak for it, near 1 where they speak against it."""
        if not math.isfinite(self.gain.p):
            return 1.0
        return self.gain.p / 2 if self.gain.mean > 0 else 1 - self.gain.p / 2


def by_scores(claim: Claim, scores: pd.DataFrame, one: Series, other: Series) -> Answer:
    """Compare a test metric, as the mean over the label fractions asked for; `scores` are from `seed_scores`."""
    asked = (scores["protocol"] == claim["protocol"]) & (scores["percent"] < claim["percent_below"])
    stored = scores[asked & scores["series"].isin([one.key, other.key])]
    table = gains(stored, one, other)
    gain = table[MEAN].droplevel("protocol").dropna()
    answer = _answer(gain, 100, other.label, _ids(gain.index, one, other))
    compared = [percent for percent in table.columns if percent != MEAN]
    if len(compared) == stored["percent"].nunique():
        return answer
    told = titles.listing([f"{percent:g} %" for percent in compared]) or "no fraction"
    return dataclasses.replace(answer, note=f"{other.label}: both at {told} of the labels only")


def by_partners(points: pd.DataFrame, one: Series, than: str, averaged: str) -> list[Answer]:
    """Compare the same-label rate of the partners that trained with that of another selector, in the last epoch."""
    gain = gain_over(points, one, than, averaged)
    return [_answer(gain, 100, stroke_of(than).label, tuple(gain.index))] if len(gain) else []


def by_time(one: Series, other: Series, at_most: float) -> Answer:
    """Compare the time of an epoch.

    Runs on other devices than the pair's other run, or without it, say nothing; neither do those in which the other
    method measures partners in every batch, too.
    """
    mine, theirs = ({run["config"]["seed"]: run for run in series.runs} for series in (one, other))
    ratios = {
        seed: comparable_epoch_seconds(mine[seed]) / comparable_epoch_seconds(theirs[seed])
        for seed in sorted(mine.keys() & theirs.keys())
        if device_of(mine[seed]) == device_of(theirs[seed])
        and theirs[seed]["config"]["selector"].get("measure_every") != 1
    }
    known = pd.Series({seed: ratio for seed, ratio in ratios.items() if math.isfinite(ratio)}, dtype=float)
    ratio = estimate(known)
    answer = _answer(at_most - known, 1, f"{at_most:g} × {other.label}", _ids(known.index, one, other))
    note = "processor time was not stored" if len(known) < len(ratios) else ""
    return dataclasses.replace(answer, effect=(ratio.mean, ratio.low, ratio.high), each=one_by_one(known), note=note)


def _answer(gains: pd.Series, factor: float, against: str, runs: tuple[int, ...]) -> Answer:
    gain = difference(gains)
    effect = (factor * gain.mean, factor * gain.low, factor * gain.high)
    return Answer(gain, effect, against, one_by_one(factor * gains), runs)


def _ids(seeds: Iterable[int], *series: Series) -> tuple[int, ...]:
    wanted = set(seeds)
    return tuple(run["_id"] for one in series for run in one.runs if run["config"]["seed"] in wanted)
