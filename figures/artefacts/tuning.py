"""The table of tuning: every candidate recipe, its score on validation images, and which one those scores choose."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from figures import style
from figures.artefacts.artefact import Artefact, Table
from figures.drawing.tables import MISSING, Cell, Grid, Group
from figures.evidence.evidence import Evidence
from figures.evidence.metric_points import named
from figures.evidence.series import Run, flat
from figures.evidence.titles import data_name, listing

AS_GOOD = 0.005
"""AUC by which more steps of fine-tuning have to be better to count as better. [us]"""

BASELINE = "random_init"

SAME = ("seed", "scale", "device", "data.", "method.", "evaluate.protocols")
"""Settings that do not tell candidates of a method apart."""

COLUMNS = ("method", "label", "percent", "auc", "data", "seeds", "chosen", "runs")


def make(evidence: Evidence) -> Table | None:
    """Return the table over all trials, that is runs that leave the test split alone."""
    runs = [run for study in evidence.trials for run in study.own_runs if _is_candidate(run)]
    if not runs:
        return None
    aucs = named(evidence.points, "val/[a-z]+/(macro|mean)_auc").set_index("run_id")
    methods = sorted({run["config"]["method"]["name"] for run in runs}, key=style.rank)
    rows = []
    for method in methods:
        own = [run for run in runs if run["config"]["method"]["name"] == method]
        for label, members in _candidates(own).items():
            ids = " ".join(str(run["_id"]) for run in members)
            data_sets = listing(sorted({data_name(run["config"]["data"]) for run in members}))
            told = ", ".join(map(str, sorted({run["config"]["seed"] for run in members})))
            found = aucs.loc[aucs.index.isin([run["_id"] for run in members])]
            for percent, values in found.groupby("step")["value"]:
                rows.append((method, label, percent, float(values.mean()), data_sets, told, False, ids))
    data = pd.DataFrame(rows, columns=list(COLUMNS))
    if data.empty:
        return None
    chosen = [
        row
        for method, candidates in data.groupby("method")
        for row in (_fewest if method == BASELINE else _best)(candidates)
    ]
    data["chosen"] = data.index.isin(chosen)
    drawn = [run for study in evidence.studies for run in study.runs]
    seeds, tried = ({run["config"]["seed"] for run in some} for some in (drawn, runs))
    return Table(_caption(apart=not seeds & tried), data, ["val/*/macro_auc", "val/*/mean_auc"], _grid(data))


def _is_candidate(run: Run) -> bool:
    """Whether a run tries a recipe: of random weights those that are fine-tuned."""
    config = run["config"]
    return config["method"]["name"] != BASELINE or "finetune" in config["evaluate"]["protocols"]


def _candidates(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs of a method by the settings in which those on the same images differ: "pretrain.lr=2.0, ..."."""
    settings = [_counting(run) for run in runs]
    on = [(run["config"]["data"]["name"], run["config"]["data"]["split"]) for run in runs]
    varied = [
        name
        for name in settings[0]
        if any(len({own.get(name) for own, at in zip(settings, on, strict=True) if at == one}) > 1 for one in set(on))
    ]
    found: dict[str, list[Run]] = {}
    for run, own in zip(runs, settings, strict=True):
        found.setdefault(", ".join(f"{name}={own.get(name)}" for name in varied) or "the scale's own", []).append(run)
    order = sorted(found, key=lambda label: [_sortable(part.rpartition("=")[2]) for part in label.split(", ")])
    return {label: found[label] for label in order}


def _counting(run: Run) -> dict[str, str]:
    """Return the settings that can tell a run from other candidates: none of a protocol that it did not run."""
    used = run["config"]["evaluate"]["protocols"]
    left_out = (*SAME, *(f"evaluate.{name}." for name in style.PROTOCOLS if name not in used))
    return {name: str(value) for name, value in flat(run["config"]) if not name.startswith(left_out)}


def _sortable(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value


def _best(own: pd.DataFrame) -> list[int]:
    """Return the rows of the candidate with the highest mean over label fractions, of those that can be compared."""
    full = _comparable(own)
    means = full.groupby("label", sort=False)["auc"].mean()
    return list(full.index[full["label"] == means.idxmax()])


def _comparable(own: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates with the same data sets and seeds; of several groups that with the most runs of each, then
    of all."""  # fmt: skip
    of_each, of_all = own["runs"].str.count(" "), own.groupby(["data", "seeds"])["runs"].transform("size")
    last = own.assign(of_each=of_each, of_all=of_all).sort_values(["of_each", "of_all"], kind="stable").iloc[-1]
    return own[(own["data"] == last["data"]) & (own["seeds"] == last["seeds"])]


def _fewest(own: pd.DataFrame) -> list[int]:
    """Return, for each label fraction, the row of the fewest steps after which more are no better."""
    chosen = []
    for _, rows in _comparable(own).groupby("percent"):
        values = rows["auc"].to_numpy()
        chosen.append(next(rows.index[n] for n in range(len(values)) if values[n:].max() <= values[n] + AS_GOOD))
    return chosen


def _grid(data: pd.DataFrame) -> Grid:
    percents = sorted(data["percent"].unique())
    groups = []
    for method, own in data.groupby("method", sort=False):
        lines = []
        for label, rows in own.groupby("label", sort=False):
            of = rows.set_index("percent")
            cells = [
                Cell(f"{100 * of.loc[percent, 'auc']:.1f}{' *' if of.loc[percent, 'chosen'] else ''}")
                if percent in of.index
                else Cell(MISSING)
                for percent in percents
            ]
            mean, first = 100 * float(np.mean(rows["auc"])), rows.iloc[0]
            lines.append((str(label), [*cells, Cell(f"{mean:.2f}"), Cell(first["data"]), Cell(first["seeds"])]))
        groups.append(Group(style.look(str(method)).label, lines))
    return Grid("Candidate", [*(f"{percent:g} %" for percent in percents), "Mean", "Data sets", "Seeds"], groups)


def _caption(apart: bool) -> str:
    seeds = "no seed is one of the studies" if apart else "some seeds are also those of studies"
    return (
        f"AUC (%) on the validation split by label fraction, mean over data sets and seeds; {seeds}, "
        "and no test image is read. Methods: macro AUC of the linear probe, and * the candidate with the "
        "highest mean, of those with the same data sets and seeds; means over different ones cannot be compared. "
        f"{style.look(BASELINE).label}: fine-tuned with different numbers of steps, and * at each fraction "
        f"the fewest after which more are not better by {100 * AS_GOOD:g} points."
    )


ARTEFACT = Artefact("tuning", "How recipes were chosen", make, overall=True)
