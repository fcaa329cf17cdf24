"""How good partners must be: the figure's gains and zeros against numpy, on runs whose answer is planted."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from scipy import stats

from figures import style
from figures.artefacts import partner_errors
from figures.artefacts.artefact import Drawing
from figures.drawing.rendering import render
from figures.statistics.partner_errors import crossing
from tests.figures.synthetic import Memory, add, all_evidence, config, metrics

ERRORS, WEIGHTS, SEEDS = (0.0, 0.25, 0.5, 0.75, 1.0), (0.5, 1.0), 4
SHARES = {"byol_tracin": ("tracin_cosine", 0.6), "byol_cosine": ("cosine", 0.55), "byol_random": ("random", 0.48)}
PERCENTS = (1.0, 10.0, 100.0)
Point = tuple[str, str, float, float, int]
"""Protocol, method, weight, error, seed."""


class Planted(Memory):
    """Runs in memory whose gain rises with the share of right partners; `scores` and `shares` have what they store."""

    def __init__(self, zero: float, noise: float = 0.01, slope: float = 0.1) -> None:
        super().__init__()
        self.random, self.zero, self.noise, self.slope = np.random.default_rng(5), zero, noise, slope
        self.scores: dict[Point, np.ndarray] = {}
        self.shares: dict[tuple[str, float, float, int], float] = {}

    def store(self, method: str, seed: int, weight: float = 1.0, error: float | None = None, **more: Any) -> None:
        """Add a run; without an error, one that was stored before there was the setting."""
        told = {} if error is None else {"selector__error": error}
        made = config(method, seed, selector__weight=weight, **told, evaluate__fractions=[p / 100 for p in PERCENTS],
                      evaluate__protocols=["finetune", "linear"], **more)  # fmt: skip
        wrong = error or 0.0
        name, share = SHARES.get(method, ("oracle", 1 - wrong))
        share += 0.01 * self.random.normal()
        gain = 0.0 if method == "byol" else self.slope * weight * (share - self.zero)
        points: dict[str, Any] = {}
        for protocol in ("finetune", "linear"):
            values = 0.4 + gain + self.noise * self.random.normal(size=len(PERCENTS))
            points[f"test/{protocol}/balanced_accuracy"] = [PERCENTS, values]
            self.scores[protocol, method, weight, wrong, seed] = values
        if method != "byol":
            points[f"partners/{name}/same_label"] = [[1, 2], [0.01, share]]
            points[f"partners/{name}/same_label_macro"] = [[1, 2], [0.01, share - 0.3]]
            self.shares[method, weight, wrong, seed] = share
        add(self, made, points=points)

    def gain(self, *point: Any) -> float:
        """Return how much better one run is than BYOL's of the same seed, over 1 and 10 % of the labels."""
        byol = self.scores[point[0], "byol", 1.0, 0.0, point[-1]]
        return float(np.mean(self.scores[point][:2] - byol[:2]))


def study(zero: float = 0.7, seeds: int = SEEDS, **more: Any) -> Planted:
    memory = Planted(zero, **more)
    for seed in range(seeds):
        memory.store("byol", seed)
        for weight in WEIGHTS:
            for error in ERRORS:
                # Those that never err may be runs that were stored before an oracle could.
                memory.store("byol_oracle", seed, weight, None if error == 0 and weight == 1.0 else error)
            for method in SHARES:
                memory.store(method, seed, weight, 0.0 if weight == 0.5 else None)
    return memory


def drawn(memory: Memory) -> Drawing:
    made = partner_errors.make(all_evidence(memory))
    assert isinstance(made, Drawing)
    return made


def zero_of(shares: list[float], gains: list[float]) -> float:
    """The zero of numpy's straight line."""
    slope, at_zero = np.polyfit(shares, gains, 1)
    return -at_zero / slope


def test_gains_are_paired_by_seed_over_few_labels_with_t_intervals_against_shares_of_the_last_epoch() -> None:
    memory = study()
    rows = drawn(memory).data
    rows = rows[rows["statistic"] == partner_errors.GAIN]
    assert len(rows) == 2 * len(WEIGHTS) * (len(ERRORS) + len(SHARES))
    for row in rows.itertuples():
        error = 0.0 if math.isnan(row.error) else row.error
        point = row.protocol, row.method, row.weight, error
        gains = [memory.gain(*point, seed) for seed in range(SEEDS)]
        assert row.mean == pytest.approx(np.mean(gains))
        low, high = stats.t.interval(0.95, SEEDS - 1, np.mean(gains), stats.sem(gains))
        assert (row.low, row.high) == (pytest.approx(low), pytest.approx(high))
        shares = [memory.shares[(*point[1:], seed)] for seed in range(SEEDS)]
        assert row.share == pytest.approx(np.mean(shares))
        assert row.share_macro == pytest.approx(np.mean(shares) - 0.3)
        assert len(row.runs.split()) == 2 * SEEDS


def test_the_zero_is_that_of_numpys_line_and_its_interval_the_jackknifes_over_seeds() -> None:
    memory = study(seeds=3)
    rows = drawn(memory).data
    zeros = rows[rows["statistic"] == partner_errors.ZERO]
    assert len(zeros) == 2 * len(WEIGHTS)
    for row in zeros.itertuples():
        points = {
            seed: [
                (memory.shares["byol_oracle", row.weight, error, seed],
                 memory.gain(row.protocol, "byol_oracle", row.weight, error, seed))
                for error in ERRORS
            ]
            for seed in range(3)
        }  # fmt: skip
        shares, gains = zip(*itertools.chain(*points.values()), strict=True)
        assert row.mean == pytest.approx(zero_of(list(shares), list(gains)))
        without = []
        for seeds in itertools.combinations(range(3), 2):
            x, y = zip(*itertools.chain(*(points[seed] for seed in seeds)), strict=True)
            without.append(zero_of(list(x), list(y)))
        half = stats.t.ppf(0.975, 2) * math.sqrt(2 * np.var(without))  # the mean square of three, times two
        assert (row.low, row.high) == (pytest.approx(row.mean - half), pytest.approx(row.mean + half))


def test_seeds_of_one_oracle_alone_do_not_narrow_the_interval_of_the_zero() -> None:
    zeros = []
    for more in (0, 4):
        memory = study(seeds=3)
        for seed in range(3, 3 + more):
            memory.store("byol", seed)
            memory.store("byol_oracle", seed, 0.5, 0.0)
        rows = drawn(memory).data
        zeros.append(rows[(rows["statistic"] == partner_errors.ZERO) & (rows["weight"] == 0.5)])
    columns = ["protocol", "seeds", "mean", "low", "high", "runs"]
    assert zeros[0][columns].equals(zeros[1][columns])
    assert set(zeros[0]["seeds"]) == {3}


def test_the_interval_of_the_zero_covers_it_as_often_as_it_says() -> None:
    random, shares = np.random.default_rng(0), np.tile([0.0, 0.25, 0.5, 0.75, 1.0], 3)
    seeds = np.repeat([0, 1, 2], 5)
    covered = []
    for _ in range(400):
        byol = 0.01 * random.normal(size=3)[seeds]  # all gains of a seed are over one run of BYOL
        gain = 0.1 * (shares - 0.6) + byol + 0.01 * random.normal(size=15)
        found = crossing(pd.DataFrame({"seed": seeds, "share": shares, "gain": gain}))
        covered.append(found.low <= 0.6 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("zero", [0.3, 0.8])
def test_a_planted_zero_is_found(zero: float) -> None:
    rows = drawn(study(zero, noise=0.001)).data
    zeros = rows[rows["statistic"] == partner_errors.ZERO]
    assert zeros["mean"].to_numpy() == pytest.approx(zero, abs=0.03)
    assert (zeros["low"] < zero + 0.01).all()
    assert (zeros["high"] > zero - 0.01).all()


def test_a_gain_that_does_not_rise_with_the_share_has_no_zero_and_one_beyond_all_shares_is_said_to_be_there() -> None:
    falling, beyond = drawn(study(slope=-0.1)), drawn(study(zero=1.5, noise=0.001))
    zeros = falling.data[falling.data["statistic"] == partner_errors.ZERO]
    assert zeros["mean"].isna().all()
    assert zeros["low"].isna().all()
    assert "zero at no share, since the gain does not rise with it (weight 0.5)" in falling.caption
    assert "zero at more than 100 % (weight 0.5)" in beyond.caption
    for made in (falling, beyond):
        for panel in made.draw(style.TWO_COLUMNS).axes:
            assert not [line for line in panel.lines if line.get_marker() == "|"]


def test_selectors_with_other_settings_and_studies_without_errors_are_not_drawn() -> None:
    memory = study()
    for seed in range(SEEDS):
        memory.store("byol_tracin", seed, 1.0, tracin__layers="full")
        memory.store("byol_tracin", seed, 0.25)
    rows = drawn(memory).data
    assert set(rows["weight"]) == {*WEIGHTS}
    tracin = rows[rows["method"] == "byol_tracin"]
    assert len(tracin) == 2 * len(WEIGHTS)
    plain = Memory()
    for method in ("byol", "byol_oracle", "byol_tracin"):
        for seed in range(3):
            add(plain, config(method, seed), points=metrics(config(method, seed)))
    assert partner_errors.make(all_evidence(plain)) is None
    without_byol = Planted(0.7)
    for seed, error in itertools.product(range(3), ERRORS):
        without_byol.store("byol_oracle", seed, 1.0, error)
    assert partner_errors.make(all_evidence(without_byol)) is None


def test_the_panels_show_the_table() -> None:
    made = drawn(study())
    for width in (style.TWO_COLUMNS, style.ONE_COLUMN):
        figure = made.draw(width)
        assert [panel.get_title() for panel in figure.axes] == [
            "DermaMNIST: fine-tuning",
            "DermaMNIST: linear probe",
        ]
        (legend,) = figure.legends
        told = [text.get_text() for text in legend.get_texts()]
        assert told == ["Oracle, weight 1", "Oracle, weight 0.5", "Zero gain", "TracIn", "Cosine", "Random"]
        for panel, (_, rows) in zip(figure.axes, made.data.groupby("protocol", sort=False), strict=True):
            lines = [line for line in panel.lines if len(line.get_xdata()) == len(ERRORS) and line.get_marker() == "P"]
            bands = [c for c in panel.collections if isinstance(c, FillBetweenPolyCollection)]
            assert len(bands) == len(WEIGHTS) + 1  # and the strip
            for line, weight in zip(lines, (1.0, 0.5), strict=True):
                oracle = rows[(rows["weight"] == weight) & rows["error"].notna()].sort_values("share")
                assert list(line.get_xdata()) == pytest.approx(100 * oracle["share"])
                assert list(line.get_ydata()) == pytest.approx(100 * oracle["mean"])
                assert (line.get_markerfacecolor() == "none") == (weight == 0.5)
            intervals = [line for line in panel.lines if line.get_marker() == "|"]
            zeros = rows[rows["statistic"] == partner_errors.ZERO].sort_values("weight", ascending=False)
            for line, row in zip(intervals, zeros.itertuples(), strict=True):
                assert list(line.get_xdata()) == pytest.approx([100 * max(row.low, 0), 100 * min(row.high, 1)])
            low, high = panel.get_ylim()
            assert low < 100 * rows.loc[rows["statistic"] == partner_errors.GAIN, "mean"].min()
            assert high > 0


def test_its_words_say_seeds_interval_zero_and_shares_and_nothing_is_white_on_a_dark_page() -> None:
    memory = study()
    made = drawn(memory)
    zeros = made.data[(made.data["statistic"] == partner_errors.ZERO) & (made.data["protocol"] == "finetune")]
    half, whole = (
        f"{100 * row.mean:.0f} % [{100 * row.low:.0f}, {100 * row.high:.0f}] (weight {row.weight:g})"
        for row in zeros.itertuples()
    )
    assert f"DermaMNIST, fine-tuning: zero at {half} and {whole}." in made.caption
    assert "mean over 4 seeds; bands and bars: 95 % t-interval. Filled: weight 1; hollow: weight 0.5." in made.caption
    share = np.mean([share for (method, *_), share in memory.shares.items() if method == "byol_tracin"])
    assert f"TracIn {100 * share:.0f} % ({100 * share - 30:.0f} % as a mean over classes)" in made.caption
    assert "Oracle, errs at 0.25, weight 0.5:" in made.alt
    assert {"partners/oracle/same_label", "partners/tracin_cosine/same_label_macro"} <= set(made.metrics)
    page = render(made.draw, style.TWO_COLUMNS).svg
    assert style.DARK[style.INK] in page
    assert style.PAPER not in page


def test_one_seed_has_no_interval() -> None:
    made = drawn(study(seeds=1))
    assert made.data["low"].isna().all()
    assert made.data.loc[made.data["statistic"] == partner_errors.ZERO, "mean"].notna().all()
    made.draw(style.ONE_COLUMN)
