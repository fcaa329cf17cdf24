"""The claims of `claims.toml`, judged by the stored runs: supported, not supported, the opposite, or too few runs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from figures import style
from figures.claims.comparison import Answer, by_partners, by_scores, by_time
from figures.claims.ledger import Claim
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.ordering import aside
from figures.evidence.partners import OVER_CLASSES, OVER_IMAGES
from figures.evidence.scores import seed_scores
from figures.evidence.series import Origin, Series
from figures.evidence.study import Study
from figures.statistics.estimates import FEWEST, difference, holm
from figures.statistics.learning import gains as gains_over_random
from figures.statistics.learning import learned

SUPPORTED, NOT_SUPPORTED, OPPOSITE, TOO_FEW = "supported", "not supported", "opposite", "too few runs"
NOT_ASKED = "not asked"
"""The verdict where the method that claims build on has learned nothing."""

UNITS = {"scores": "points", "partners": "points", "time": "ratio"}

NOWHERE = "no study has runs of what is compared"


@dataclass(frozen=True)
class Measure:
    """By what claims are judged.

    Args:
        scores: from a study to the test metric by which its scores are compared.
        partners: how the rate of partners with the same label is averaged.
    """

    scores: Callable[[Study], str]
    partners: str


def _second_metric(study: Study) -> str:
    return metrics.second_metric(study) or metrics.main_metric(study)


MAIN, SECOND = Measure(metrics.main_metric, OVER_CLASSES), Measure(_second_metric, OVER_IMAGES)

COLUMNS = (
    "claim", "label", "study", "verdict", "effect", "low", "high", "unit", "pairs", "p", "p_holm", "against", "note",
    "each", "runs", "counted", "second", "second_effect", "second_low", "second_high", "second_p_holm",
)  # fmt: skip
"""`each` has the difference (or ratio) of every pair, as seed:value; of partners as run:value. `counted`: whether a
summary counts the study; of several of the same images only the greatest that tells something, and none of procedural
images beside real ones. The last five are the verdict and effect by the second measure, empty for claims about time."""


@dataclass(frozen=True)
class Place:
    """Where a claim is asked: a study, and for transfer the images that encoders come from."""

    study: Study
    origin: Origin | None

    @property
    def title(self) -> str:
        """What to call it."""
        target = titles.title(self.study)
        return target if self.origin is None else f"{self.origin.label} → {target}"

    @property
    def images(self) -> tuple[str, ...]:
        """What tells the images from others, also those that encoders come from; whatever their split and size."""
        data = self.study.config["data"]
        target = (titles.name_of_images(self.study), str(data.get("csv") or ""))
        return target if self.origin is None else (self.origin.images, *target)

    @property
    def phantom(self) -> bool:
        """Whether images are procedural, or those that encoders come from."""
        return self.study.phantom or (self.origin is not None and self.origin.phantom)


@dataclass(frozen=True)
class Row:
    """What runs say to a claim in one place, as in COLUMNS; the defaults: nothing.

    Args:
        favour: whether the effect is in the claim's favour.
        family: the tests that p is adjusted with.
        images, phantom: of the place.
        again: whether the second measure is another one.
    """

    claim: str
    label: str
    unit: str
    note: str
    verdict: str = TOO_FEW
    study: str = ""
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan
    pairs: int = 0
    p: float = math.nan
    against: str = ""
    each: str = ""
    runs: str = ""
    favour: bool = False
    family: str = ""
    images: tuple[str, ...] = ()
    phantom: bool = False
    again: bool = False


def judge(evidence: Evidence, ledger: dict[str, Any]) -> pd.DataFrame:
    """Return the verdicts: one row per claim and place where it can be asked, with COLUMNS.

    A claim that can be asked nowhere has one row, without a study. Differences of test metrics and rates are in
    points, times are a ratio.

    Args:
        evidence: of all studies.
        ledger: from `read`.
    """
    table = _judged(evidence, ledger, MAIN)
    second = _judged(evidence, ledger, SECOND)  # of all claims: p is adjusted for as many as above
    second = second[second["again"]].set_index("label")
    names = {"verdict": "second", **{key: f"second_{key}" for key in ("effect", "low", "high", "p_holm")}}
    return table.join(second[list(names)].rename(columns=names), on="label")[list(COLUMNS)]


def _judged(evidence: Evidence, ledger: dict[str, Any], measure: Measure) -> pd.DataFrame:
    """Return the verdicts by one measure, with the fields of `Row`, p_holm and counted."""
    table = pd.DataFrame([row for claim in ledger["claim"] for row in _rows(evidence, claim, ledger["pairs"], measure)])
    table["p_holm"] = table.groupby("family", sort=False)["p"].transform(lambda p: holm(list(p)))
    proven = (table["verdict"] == NOT_SUPPORTED) & (table["p_holm"] < ledger["level"])
    table.loc[proven, "verdict"] = table["favour"].map({True: SUPPORTED, False: OPPOSITE})
    telling = table.iloc[(table["verdict"] == TOO_FEW).argsort(kind="stable")]  # first those that tell something
    repeated = telling.duplicated(["claim", "images"]).reindex(table.index)  # studies come with the greatest first
    real = (~table["phantom"] & table["study"].ne("")).groupby(table["claim"]).transform("any")
    table["counted"] = ~repeated & ~(table["phantom"] & real)
    return table


def _rows(evidence: Evidence, claim: Claim, pairs: int, measure: Measure) -> list[Row]:
    """Return the rows of a claim: one for each place where it can be asked, or one that says that there is none."""
    places = _places(evidence, claim)
    rows = [row for place in places if (row := _row(evidence, claim, pairs, measure, place)) is not None]
    return rows or [Row(claim["name"], claim["name"], UNITS[claim["kind"]], NOWHERE)]


def _row(evidence: Evidence, claim: Claim, pairs: int, measure: Measure, place: Place) -> Row | None:
    """Return what the runs of a place say to a claim; None where nothing is compared there."""
    answers, missing = _answers(evidence, claim, place, measure)
    if not answers:
        return None
    weakest = max(answers, key=lambda answer: (answer.doubt, -answer.gain.mean))
    several = len(claim.get("against", ())) > 1
    fewest = min(answer.gain.pairs for answer in answers)
    lacking = [f"no runs of {titles.listing_or_number(missing, 'method')}"] if missing else []
    lacking += [f"{fewest} of {pairs} pairs"] if fewest < pairs else []
    # All of several have to be beaten, so no p is smaller than that of the weakest comparison; and that one of
    # them is not beaten does not make the opposite of the claim.
    p = min(1.0, 2 * weakest.doubt) if several and math.isfinite(weakest.gain.p) else weakest.gain.p
    verdict, p = (TOO_FEW, math.nan) if lacking else (NOT_SUPPORTED, p)
    if (unlearned := _not_learned(evidence, claim["base"], place)) is not None:
        verdict, p, lacking = NOT_ASKED, math.nan, [unlearned]
    equal = ["all differences are equal, so there is no test"] if not lacking and math.isnan(p) else []
    effect, low, high = weakest.effect
    by_another_metric = claim["kind"] == "scores" and metrics.second_metric(place.study) is not None
    return Row(
        claim=claim["name"],
        label=f"{claim['name']}: {place.title}",
        unit=UNITS[claim["kind"]],
        note="; ".join([*lacking, *equal, *dict.fromkeys(answer.note for answer in answers if answer.note)]),
        verdict=verdict,
        study=place.title,
        effect=effect,
        low=low,
        high=high,
        pairs=fewest,
        p=p,
        against=f"{weakest.against}, closest of {len(answers)}" if several else weakest.against,
        each=weakest.each,
        runs=" ".join(map(str, sorted({run for answer in answers for run in answer.runs}))),
        favour=weakest.gain.mean > 0,
        family=f"{place.study.key} {claim['source']}",
        images=place.images,
        phantom=place.phantom,
        again=claim["kind"] == "partners" or by_another_metric,
    )


def _not_learned(evidence: Evidence, base: str, place: Place) -> str | None:
    """Return why a claim is not asked, where the method that it builds on has learned nothing; else None."""
    if not base:
        return None
    gain = gains_over_random(place.study, evidence.points_of(place.study), base, place.origin)
    if learned(gain) is not False:
        return None
    found = difference(gain)
    half = f" ± {100 * (found.high - found.mean):.1f}" if found.pairs >= FEWEST else ""
    readout = f"{100 * found.mean:+.1f}{half} points".replace("-", "−")
    return f"linear readout of {style.look(base).label} against random weights, on validation images: {readout}"


def _places(evidence: Evidence, claim: Claim) -> Iterator[Place]:
    """Yield where there are runs of the claim's method: studies, or for transfer pairs of images."""
    for study in evidence.studies:
        if aside(study, evidence.studies):
            continue
        origins: dict[Origin | None, None] = {None: None}
        if claim.get("transfer"):
            origins = dict.fromkeys(one.origin for one in study.transfers)
        for origin in origins:
            if _standing(claim, Place(study, origin), claim["method"]) is not None:
                yield Place(study, origin)


def _standing(claim: Claim, place: Place, method: str) -> Series | None:
    """Return the series that stands for a method: where scores are compared the one that was judged."""
    if claim["kind"] == "scores":
        return place.study.reference(method, place.origin)
    return place.study.trainer(method)


def _answers(evidence: Evidence, claim: Claim, place: Place, measure: Measure) -> tuple[list[Answer], list[str]]:
    """Return what the runs of a place say, one method to compare with after the other, and those that have no runs."""
    one = _standing(claim, place, claim["method"])
    assert one is not None
    points = evidence.points_of(place.study)
    if claim["kind"] == "partners":
        return by_partners(points, one, claim["than"], measure.partners), []
    answers, missing = [], []
    for method in claim["against"]:
        other = _standing(claim, place, method)
        if other is None:
            missing.append(style.look(method).label)
        elif claim["kind"] == "time":
            answers.append(by_time(one, other, claim["at_most"]))
        else:
            scores = seed_scores(place.study, points, measure.scores(place.study))
            answers.append(by_scores(claim, scores, one, other))
    return answers, missing
