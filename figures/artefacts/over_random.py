"""The figure of relative improvement: how much better than random weights, against label fraction, by protocol."""

import functools
from typing import Any

import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Drawing
from figures.drawing import captions
from figures.drawing.curves import stroke_of
from figures.drawing.label_fractions import draw, edge_note
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.scores import seed_scores
from figures.statistics.estimates import estimate

BASELINE = "random_init"

COLUMNS = ("protocol", "method", "label", "series", "percent", "seeds", "undefined", "mean", "low", "high", "runs")


def make(evidence: Evidence) -> Drawing | None:
    """Return the figure of a study."""
    study = evidence.study
    base = study.reference(BASELINE)
    if base is None:
        return None
    scores = seed_scores(study, evidence.points).set_index(["protocol", "percent", "seed"])
    of_base = scores[scores["series"] == base.key]
    rows: list[tuple[Any, ...]] = []
    for one in study.references:
        mine = scores[(scores["series"] == one.key) & (one.key != base.key)]
        both = mine.join(of_base[["value", "run_id"]].add_suffix("_of_base")).sort_index()
        both["relative"] = both["value"] / both["value_of_base"] - 1
        relative = both.dropna(subset="run_id_of_base")
        for (protocol, percent), found in relative.groupby(level=["protocol", "percent"]):
            mean = estimate(found["relative"])
            pairs = zip(found["run_id"], found["run_id_of_base"], strict=True)
            runs = " ".join(f"{int(one)} {int(other)}" for one, other in pairs)
            cell = (protocol, one.method, one.label, one.key, percent)
            rows.append((*cell, mean.seeds, mean.undefined, mean.mean, mean.low, mean.high, runs))
    rows.sort(key=lambda row: style.rank(row[0], style.PROTOCOLS))
    data = pd.DataFrame(rows, columns=list(COLUMNS))
    shown = data[data["seeds"] > 0]
    if shown.empty:
        return None
    strokes = {one.key: stroke_of(one) for one in study.references if one.key in set(shown["series"])}
    metric = metrics.main_metric(study)
    names = sorted({f"test/{protocol}/{metric}" for protocol in shown["protocol"]})
    action = functools.partial(draw, shown, strokes, f"Over {style.look(BASELINE).label.lower()} (%)", 0.0)
    return Drawing(_caption(evidence, shown), data, names, action, _alt(shown))


def _caption(evidence: Evidence, shown: pd.DataFrame) -> str:
    study = evidence.study
    metric = metrics.in_sentence(metrics.main_metric(study))
    runs = [run for one in study.references if one.key in set(shown["series"]) for run in one.runs]
    sentences = [
        f"How much higher the {metric} on the test split is than with an encoder of random weights, in percent of the "
        "latter, seed by seed, against the label fraction (log scale)."
    ]
    if shown["seeds"].max() > 1:
        over = captions.seeds_averaged(runs, shown["seeds"])
        sentences += [
            f"Points: mean over {over}; bars: {captions.bars(shown['seeds'])}; drawn side by side.",
            edge_note(shown),
        ]
    else:
        sentences.append(f"One seed per point ({titles.seeds(runs)}), so there is no interval.")
    return " ".join(filter(None, [*sentences, captions.references(study)]))


def _alt(shown: pd.DataFrame) -> str:
    said = ["Line chart of the relative improvement over random weights against label fraction, in percent."]
    for protocol, rows in shown.groupby("protocol", sort=False):
        told = [
            f"{name} {100 * found['mean'].iloc[0]:+.1f} at {found['percent'].iloc[0]:g} %"
            for name, found in rows.groupby("label", sort=False)
        ]
        said.append(f"{style.PROTOCOLS.get(str(protocol), protocol)}: {'; '.join(told)}.")
    return " ".join(said)


ARTEFACT = Artefact("over_random", "Improvement over random weights", make)
