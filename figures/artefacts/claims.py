"""The claims ledger: of each claim of `claims.toml`, study by study, whether these runs support it."""

import math
from dataclasses import replace
from typing import Any

from figures.artefacts.artefact import Artefact, Table
from figures.claims.answer import UNLEARNED, effect
from figures.claims.judging import judge
from figures.claims.ledger import read
from figures.drawing.cells import p_value
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence.evidence import Evidence


def make(evidence: Evidence) -> Table | None:
    """Return the ledger over all studies."""
    ledger = read()
    data = judge(evidence, ledger)
    groups = []
    for claim in ledger["claim"]:
        rows = data[data["claim"] == claim["name"]]
        lines = [(str(row.study) or "Any study", _row(row)) for row in rows.itertuples()]
        groups.append(Group(f"{claim['text']} {claim['source']}", lines))
    grid = Grid(
        "Claim, and the studies that test it",
        ["Verdict", "Effect", "Second measure", "Against", "p", "Pairs"],
        groups,
        align="l",
    )
    return Table(_caption(ledger), data, _metrics(ledger), grid)


def _row(row: Any) -> list[Cell]:
    found = effect(row) if math.isfinite(row.effect) else Cell(MISSING)
    rest = (row.against or MISSING, p_value(row.p_holm) or MISSING, str(row.pairs))
    return [Cell(row.verdict, remark=row.note), found, _second(row), *map(Cell, rest)]


def _second(row: Any) -> Cell:
    """Return the effect by the second measure, with its verdict where that is another."""
    if not math.isfinite(row.second_effect):
        return Cell(MISSING)
    shown = effect(row._replace(effect=row.second_effect, low=row.second_low, high=row.second_high))
    return replace(shown, remark=row.second if row.second != row.verdict else "")


def _metrics(ledger: dict[str, Any]) -> list[str]:
    protocols = {claim["protocol"] for claim in ledger["claim"] if claim["kind"] == "scores"}
    return [*sorted(f"test/{protocol}/*" for protocol in protocols), "partners/*/same_label*", "partners/chance*"]


def _caption(ledger: dict[str, Any]) -> str:
    return (
        "[A]: the paper's abstract, in our words; [us]: our own question; [us, later]: one asked after runs "
        "that answer it had been read. "
        "Effect: mean difference between runs of the same seed ± half-width of its 95 % t-interval, in points of the "
        "main test metric or of the rate of partners with the same label (mean over classes), or a ratio of times (×); "
        "against several methods, the "
        "comparison least in favour of the claim is shown. Intervals are over seeds (other test images or another "
        "split would give other numbers, too), each of one comparison, while p is adjusted: an interval without zero "
        "can belong to a claim that is not supported. "
        f"Supported: the effect is in the claim's favour and p < {ledger['level']:g}, by a two-sided paired t-test "
        "Holm-adjusted for the claims of the same source tested in the same study; opposite: the same, but "
        "against the claim. Against several methods, all have to be beaten. "
        "Second measure: the same test by macro AUC, and of partners by their rate over all images, in which frequent "
        "classes count more; its verdict is given where it differs. The time of BYOL includes its measurement of "
        "partners, which is part of its runs. "
        f"Not asked: BYOL, on which the claim builds, {UNLEARNED}, by a linear readout of frozen features on "
        "validation images (that BYOL is more accurate is another claim: it is about fine-tuning, on the test split). "
        "Sentences and cards count one study of the same images, the greatest that tells something, and procedural "
        "images only where there are no others. "
        f'Too few runs: fewer than {ledger["pairs"]} pairs, or a method without runs. "Not supported" does not mean '
        '"refuted".'
    )


ARTEFACT = Artefact("claims", "Claims and verdicts", make, overall=True)
