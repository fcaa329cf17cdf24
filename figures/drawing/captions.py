"""What every caption has to say: which images, how many seeds, what the interval is, and what cannot be concluded."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pandas as pd

from figures import style
from figures.evidence.evidence import Evidence
from figures.evidence.series import MARK, Run, Series, unlearned
from figures.evidence.study import Study
from figures.evidence.titles import count, data_name, listing, seeds, title
from figures.statistics.estimates import FEWEST
from figures.statistics.learning import gains, learned

SPLIT_NOTES = {
    ("dermamnist", "official"): "This split leaks: 641 of its 1,868 test lesions also occur in training.",
}

LABELS_MEASURE = "Labels are used to measure, never to select (except by the oracle)."

COLLAPSED = "pretrain/collapsed"
"""The metric that is 1 in every epoch at whose end the network counts as collapsed, else 0."""


def warnings(study: Study, points: pd.DataFrame, behind: Collection[int] | None = None) -> list[str]:
    """Return what a reader must know before reading any number.

    Args:
        study: the study.
        points: its metric points, from `Points.of`.
        behind: the ids of the runs behind the numbers; None for all. Of methods and studies without one of them nothing
            is said.
    """
    if behind is not None and not any(run["_id"] in behind for run in study.runs):
        return []
    those = [one for one in study.series if behind is None or any(run["_id"] in behind for run in one.runs)]
    found = []
    if study.phantom:
        stand_in = study.data.get("stands_in_for")
        instead = f" standing in for {style.DATA.get(stand_in, stand_in)}" if stand_in else ""
        found.append(f"PHANTOM images{instead}: no medical claim.")
    if "smoke" in study.scale.split("+"):
        found.append("Scale smoke: too short to rank methods.")
    collapsed = set(points.loc[(points["name"] == COLLAPSED) & (points["value"] > 0), "run_id"])
    runs = [(series.label, [run for run in series.runs if run["_id"] in collapsed]) for series in those]
    told = [f"{label}, {seeds(members)}" for label, members in runs if members]
    if told:
        found.append(f"Collapsed while pretraining: {'; '.join(told)}.")
    marked = [
        f"{series.label} in {_of(some, series.runs)}{_together(study, points, series)}"
        for series in those
        if (some := unlearned(series.runs))
    ]
    if marked:
        found.append(
            f"{MARK.strip()} Not shown to have learned: after pretraining, a linear readout on validation images is "
            f"not above that of random weights, or by less than their number can tell: {'; '.join(marked)}."
        )
    return found


def _together(study: Study, points: pd.DataFrame, series: Series) -> str:
    """Return what a study's seeds tell together of a method whose single runs are not shown to have learned."""
    gain = gains(study, points, series.method) if series.trainer else pd.Series(dtype=float)
    return f" (above it over {count(len(gain), 'run')} together)" if len(gain) >= FEWEST and learned(gain) else ""


def _of(some: Sequence[Run], runs: Sequence[Run]) -> str:
    return seeds(some) if len(some) < len(runs) else f"all {count(len(runs), 'run')}" if len(runs) > 1 else "its run"


def about(evidence: Evidence, behind: Collection[int] | None = None) -> str:
    """Return the sentences that a caption ends with: of one study all there is to say, of several the warnings.

    Args:
        evidence: what the artefact is made from.
        behind: the ids of the runs behind its numbers; None for all.
    """
    if len(evidence.studies) != 1:
        studies = (*evidence.studies, *(evidence.trials if behind is not None else ()))
        told = [(title(study), warnings(study, evidence.points_of(study), behind)) for study in studies]
        return " ".join(f"{name}: {' '.join(found)}" for name, found in told if found)
    return " ".join([*description(evidence.study), *warnings(evidence.study, evidence.points, behind)])


def description(study: Study) -> list[str]:
    """Return which images a study has, what is missing, and at which scale it was run."""
    missing = sum(run.replaced_by is None for run in study.left_out)
    scale = [] if "smoke" in study.scale.split("+") else [f"Scale {study.scale}."]
    sentences = [_images(study), *_gaps(study), *_unscored(study), *_doubts(study), *scale]
    if missing:
        sentences.append(f"{count(missing, 'run')} of this study {'is' if missing == 1 else 'are'} left out.")
    return sentences


def seeds_averaged(runs: Sequence[Run], counts: Iterable[int]) -> str:
    """Return the seeds of runs, with "up to" where not every mean is over all: `counts` has how many each is over."""
    all_of_them = {len({run["config"]["seed"] for run in runs})}
    return ("" if set(counts) - {0} == all_of_them else "up to ") + seeds(runs)


def bars(counts: Iterable[int]) -> str:
    """Return what bars show: of two seeds both, since two make no interval; `counts` has how many each mean is over."""
    several = [each for each in counts if each > 1]
    if max(several, default=0) == 2:
        return "range of the two seeds"
    return "95 % t-interval" + (", of two seeds their range" if 2 in several else "")


def test_images(study: Study) -> str:
    """Return how many test images there are."""
    return count(study.data["images"]["test"], "test image")


def references(study: Study) -> str:
    """Return which of several settings of a method a figure of methods shows, where there are several."""
    if all(one.reference for one in study.series):
        return ""
    return (
        "Of a method that was run with several settings, those that most methods share are drawn; the tables have all."
    )


def variants(study: Study) -> str:
    """Return what the brackets behind a method's name say, where there are some."""
    if all(one.reference for one in study.series):
        return ""
    return "In brackets: settings that differ from the row of the same method without brackets."


def sampling(runs: Iterable[dict[str, Any]]) -> list[str]:
    """Return a sentence on how often selectors were measured; none where all were in every batch, as runs once did."""
    every = {run["config"]["selector"].get("measure_every", 1) for run in runs}
    if every <= {1}:
        return []
    rates = listing([f"{number}" for number in sorted(every)])
    return [f"The selector that trains is measured in every batch, the others in one batch of {rates}."]


def label_counts(study: Study) -> str:
    """Return how many labelled images the fractions are, where all runs agree; else nothing."""
    counts: dict[float, set[int]] = {}
    for run in study.runs:
        for subset in run["info"].get("label_subsets", []):
            counts.setdefault(round(100 * subset["fraction"], 6), set()).add(subset["images"])
    if not counts or any(len(found) > 1 for found in counts.values()):
        return ""
    told = [f"{percent:g} % is {count(min(counts[percent]), 'image')}" for percent in sorted(counts)]
    return f"Of the training labels, {listing(told)}."


def _images(study: Study) -> str:
    data, config = study.data, study.config["data"]
    height, width = data["shape"][:2]
    parts = [data_name(config)]
    if "official" in data:
        parts.append("the official file" if data["official"] else "NOT the official file")
    parts += [f"{config['split']} split", f"{height} × {width} px"]
    parts.append(f"{len(data['class_names'])} {'labels' if data['task'] == 'multi-label' else 'classes'}")
    images = data["images"]
    sizes = f"{images['train']:,} training, {images['val']:,} validation and {images['test']:,} test images"
    limit = data.get("limit") or config.get("limit")
    at_most = f" (at most {limit:,} per split)" if limit else ""
    return f"Images: {', '.join(parts)}; {sizes}{at_most}."


def _gaps(study: Study) -> list[str]:
    """Return which of the data set's images this copy lacks, class by class."""
    data, found = study.data, []
    if missing := data.get("missing"):
        classes = zip(data["class_names"], missing["present_per_class"], missing["of_per_class"], strict=True)
        each = listing([f"{name} {there:,} of {all_:,}" for name, there, all_ in classes])
        found.append(
            f"SUBSET: {missing['of'] - missing['total']:,} of its {missing['of']:,} images are there ({each})."
        )
    if corrupt := data.get("corrupt"):
        found.append(f"{count(len(corrupt), 'damaged image')} left out.")
    if unknown := data.get("unknown_labels"):
        found.append(f"{count(unknown, 'image')} without a known label left out.")
    if unlabelled := data.get("unlabelled"):
        found.append(f"{count(unlabelled, 'image')} without a label used for pretraining alone.")
    if grey := data.get("grey"):
        found.append(
            f"{count(grey['files'], 'file')} of more than 8 bits: grey value {grey['black']:g} is black, "
            f"{grey['white']:g} white."
        )
    return found


def _unscored(study: Study) -> list[str]:
    """Return which labels the test split has on no image, or on all: means over labels leave them out."""
    images = study.data["images"]["test"]
    counts = study.data.get("per_class", {}).get("test", [])
    names = [name for name, count in zip(study.data["class_names"], counts, strict=False) if count in (0, images)]
    if not names:
        return []
    if len(names) > 1:
        return [f"All or none of the test images have labels {listing(names)}, so means over labels leave them out."]
    return [f"All or none of the test images have label {names[0]}, so means over labels leave it out."]


def _doubts(study: Study) -> list[str]:
    config = study.config["data"]
    note = SPLIT_NOTES.get((config["name"], config["split"]))
    files = {str(_file(run["info"]["data"])) for run in study.runs}
    found = [note] if note else []
    if len(files) > 1:
        found.append(f"CAUTION: the runs read {len(files)} files of different contents.")
    return found


def _file(data: dict[str, Any]) -> Any:
    return data.get("sha256") or data.get("file_sha256"), data.get("splits_sha256")
