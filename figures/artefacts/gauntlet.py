"""The gauntlet: comparison of encoders, frozen and fine-tuned, with what they cost; as a table and as a figure."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.artefacts.artefact import Artefact, Drawing, Table
from figures.drawing import captions
from figures.drawing.cells import cell, intervals, most_seeds, seeds_cell
from figures.drawing.curves import Stroke
from figures.drawing.panels import panels, ticks
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence import metrics, titles
from figures.evidence.evidence import Evidence
from figures.evidence.series import Run
from figures.statistics.encoder_scores import FACTS, encoder_scores


def make_table(evidence: Evidence) -> Table | None:
    """Return the table of all encoders, data set by data set and method by method."""
    data = encoder_scores(evidence)
    if data.empty:
        return None
    scores = data[data["cost"] == ""]
    shown = sorted({(row.protocol, row.percent) for row in _rows(scores)}, key=_place)
    groups = []
    for (images, method), found in data.groupby(["images", "method"], sort=False):
        lines = [
            (_name(rows), _row(rows, shown)) for _, rows in found.groupby(["study", "encoder", "series"], sort=False)
        ]
        groups.append(Group(f"{images}: {style.look(str(method)).label}", lines))
    headings = [f"{style.PROTOCOLS.get(protocol, protocol)}, {percent:g} % (%)" for protocol, percent in shown]
    grid = Grid("Encoder", [*FACTS.values(), *headings, "Seeds"], groups)
    return Table(_caption(evidence, data), data, _names(scores), grid)


def make_figure(evidence: Evidence) -> Drawing | None:
    """Return the figure of scores against operations, at the most labels."""
    data = encoder_scores(evidence)
    scores = data[(data["cost"] == "") & (data["seeds"] > 0)]
    macs = data[(data["cost"] == "macs") & (data["seeds"] > 0)].set_index(["study", "series"])["mean"]
    if scores.empty or macs.empty:
        return None
    scores = scores[scores["percent"] == scores["percent"].max()]
    scores = scores.assign(macs=[macs.get((row.study, row.series), math.nan) for row in _rows(scores)])
    scores = scores.dropna(subset="macs")
    if scores.empty:
        return None
    return Drawing(
        _figure_caption(evidence, scores), scores, _names(scores), functools.partial(_draw, scores), _alt(scores)
    )


def _draw(scores: pd.DataFrame, width: float) -> Figure:
    protocols = sorted(set(scores["protocol"]), key=lambda name: style.rank(name, style.PROTOCOLS))
    images = list(dict.fromkeys(scores["images"]))
    encoders = list(dict.fromkeys(scores.sort_values("macs", kind="stable")["encoder"]))
    marker = {name: style.CLASS_MARKERS[number % len(style.CLASS_MARKERS)] for number, name in enumerate(encoders)}
    methods = sorted(set(scores["method"]), key=style.rank)
    legend = [Stroke(style.look(method).label, style.look(method).colour, "s", "") for method in methods]
    legend += [Stroke(name, style.INK, marker[name], "") for name in encoders]
    columns = len(images) if width == style.TWO_COLUMNS else 1
    figure, rows = panels([len(images)] * len(protocols), columns, width, legend, [False] * len(protocols))
    for protocol, axes in zip(protocols, rows, strict=True):
        for name, panel in zip(images, axes, strict=True):
            _panel(panel, scores[(scores["protocol"] == protocol) & (scores["images"] == name)], marker)
            panel.set_title(f"{style.PROTOCOLS.get(protocol, protocol)}: {name.partition(',')[0]}")
            panel.set_xlabel("MACs of an image")
        axes[0].set_ylabel("Score (%)")
    return figure


def _panel(panel: Axes, rows: pd.DataFrame, marker: dict[str, str]) -> None:
    for row in _rows(rows):
        colour = style.look(row.method).colour
        if math.isfinite(row.low):
            panel.plot([row.macs] * 2, [100 * row.low, 100 * row.high], color=colour, zorder=2)
        panel.plot(row.macs, 100 * row.mean, marker[row.encoder], color=colour, markersize=4.5, zorder=3)
    panel.set_xscale("log")
    ticks(panel, epochs=False)


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples()


def _name(rows: pd.DataFrame) -> str:
    """Return an encoder's name, with what tells several series of its method apart."""
    label, plain = str(rows["label"].iloc[0]), style.look(str(rows["method"].iloc[0])).label
    return str(rows["encoder"].iloc[0]) + label.removeprefix(plain)


def _place(shown: tuple[str, float]) -> tuple[Any, float]:
    return style.rank(shown[0], style.PROTOCOLS), shown[1]


def _row(rows: pd.DataFrame, shown: list[tuple[str, float]]) -> list[Cell]:
    costs = {row.cost: row for row in _rows(rows[rows["cost"] != ""])}
    scores = rows[rows["cost"] == ""]
    by_place = {(row.protocol, row.percent): row for row in _rows(scores)}
    seeds = most_seeds(scores)
    told = [cell(by_place[place], seeds) if place in by_place else Cell(MISSING) for place in shown]
    return [*(_cost(costs[fact]) for fact in FACTS), *told, seeds_cell(scores)]


def _cost(row: Any) -> Cell:
    if not row.seeds:
        return Cell(MISSING)
    value = row.mean if row.cost == "images_per_second" else row.mean / 1e6
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return Cell(f"{value:,.{digits}f}")


def _names(scores: pd.DataFrame) -> list[str]:
    pairs = scores[["protocol", "metric"]].drop_duplicates()
    return sorted(f"test/{row.protocol}/{row.metric}" for row in pairs.itertuples())


def _runs(evidence: Evidence, data: pd.DataFrame) -> list[Run]:
    return [run for study in evidence.studies if study.key in set(data["study"]) for run in study.own_runs]


def _metrics(data: pd.DataFrame) -> str:
    return titles.listing([metrics.METRICS[name] for name in dict.fromkeys(data["metric"]) if name])


def _caption(evidence: Evidence, data: pd.DataFrame) -> str:
    runs = _runs(evidence, data)
    sentences = [
        f"{_metrics(data)} (%) on the test split, by protocol and label fraction; all encoders with one "
        "schedule and budget.",
        "Parameters and multiply-accumulate operations (MACs, of one image) of the encoder without heads; images per "
        "second as the run timed itself on frozen features: a record, not a benchmark.",
        *intervals(data[data["cost"] == ""], runs),
    ]
    return " ".join([*sentences, f"{MISSING}: not stored."])


def _figure_caption(evidence: Evidence, scores: pd.DataFrame) -> str:
    percent, most = scores["percent"].max(), scores["seeds"].max()
    runs = _runs(evidence, scores)
    seeds = titles.seeds(runs)
    over = (
        f"Mean over {seeds}; bars: {captions.bars(scores['seeds'])}." if most > 1 else f"One seed per point ({seeds})."
    )
    return (
        f"{_metrics(scores)} (%) on the test split with {percent:g} % of the training labels, against the "
        f"multiply-accumulate operations of one image (log scale). {over}"
    )


def _alt(scores: pd.DataFrame) -> str:
    said = ["Scatter plots of scores against operations of an image."]
    for (images, protocol, method), rows in scores.groupby(["images", "protocol", "method"], sort=False):
        told = ", ".join(f"{row.encoder} {100 * row.mean:.1f}" for row in _rows(rows))
        said.append(
            f"{images}, {style.PROTOCOLS.get(str(protocol), protocol)}, {style.look(str(method)).label}: {told}."
        )
    return " ".join(said)


TABLE = Artefact("gauntlet", "Comparison of encoders", make_table, overall=True)
FIGURE = Artefact("gauntlet_cost", "Encoders: score against operations", make_figure, overall=True)
