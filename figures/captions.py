"""What every caption has to say: which images, how many seeds, what the interval is, and what cannot be concluded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from figures import style
from figures.evidence import Evidence
from figures.series import MARK, Run, unlearned
from figures.study import Study

SPLIT_NOTES = {
    ("dermamnist", "official"): "This split leaks: 641 of its 1,868 test lesions also occur in training.",
}

METRICS = {
    "balanced_accuracy": "Balanced accuracy",
    "mean_auc": "Mean AUC",
    "macro_auc": "Macro AUC",
}

COLLAPSED = "pretrain/collapsed"
"""The metric that is 1 in every epoch at whose end the network counts as collapsed, else 0."""


def main_metric(study: Study) -> str:
    """Return the metric that tables show: balanced accuracy, or for several labels at once the mean AUC."""
    return "mean_auc" if study.data["task"] == "multi-label" else "balanced_accuracy"


def second_metric(study: Study) -> str | None:
    """Return the metric that claims are judged by as well: macro AUC; None where the main one is an AUC already."""
    return None if study.data["task"] == "multi-label" else "macro_auc"


def in_sentence(metric: str) -> str:
    """Return what a metric is called in the middle of a sentence."""
    name = METRICS[metric]
    return f"{name[0].lower()}{name[1:]}"


def data_name(data: Mapping[str, Any]) -> str:
    """Return the name in print of the data set that a config group `data` names; its title, where it has one."""
    return str(data.get("title") or style.DATA.get(data["name"], data["name"]))


def name_of_images(study: Study) -> str:
    """Return what the images of a study are called at the beginning of a line."""
    name = data_name(study.config["data"])
    stand_in = study.data.get("stands_in_for")
    return f"Phantom images for {style.DATA.get(stand_in, stand_in)}" if stand_in else name[0].upper() + name[1:]


def title(study: Study) -> str:
    """Return a heading for a study."""
    data = study.config["data"]
    note = f" ({study.note})" if study.note else ""
    return f"{name_of_images(study)}, {data['split']} split, {data['size']} px, scale {study.scale}{note}"


def warnings(study: Study, points: pd.DataFrame) -> list[str]:
    """Return what a reader must know before reading any number.

    Args:
        study: the study.
        points: its metric points, from `Points.of`.
    """
    found = []
    if study.phantom:
        stand_in = study.data.get("stands_in_for")
        instead = f" standing in for {style.DATA.get(stand_in, stand_in)}" if stand_in else ""
        found.append(f"PHANTOM images{instead}: no medical claim.")
    if "smoke" in study.scale.split("+"):
        found.append("Scale smoke: too short to rank methods.")
    collapsed = set(points.loc[(points["name"] == COLLAPSED) & (points["value"] > 0), "run_id"])
    runs = [(series.label, [run for run in series.runs if run["_id"] in collapsed]) for series in study.series]
    told = [f"{label}, {seeds(members)}" for label, members in runs if members]
    if told:
        found.append(f"Collapsed while pretraining: {'; '.join(told)}.")
    marked = [f"{series.label} in {_of(unlearned(series.runs), series.runs)}" for series in study.series]
    marked = [line for line in marked if MARK in line]
    if marked:
        found.append(
            f"{MARK.strip()} Nothing learned: after pretraining, a linear readout on validation images is not above "
            f"that of random weights: {'; '.join(marked)}."
        )
    return found


def _of(some: Sequence[Run], runs: Sequence[Run]) -> str:
    return seeds(some) if len(some) < len(runs) else f"all {_count(len(runs), 'run')}" if len(runs) > 1 else "its run"


def about(evidence: Evidence) -> str:
    """Return the sentences that every caption ends with: of one study all there is to say, of several the warnings."""
    if len(evidence.studies) != 1:
        told = [(title(study), warnings(study, evidence.points_of(study))) for study in evidence.studies]
        return " ".join(f"{name}: {' '.join(found)}" for name, found in told if found)
    study = evidence.study
    missing = sum(run.replaced_by is None for run in study.left_out)
    scale = [] if "smoke" in study.scale.split("+") else [f"Scale {study.scale}."]
    sentences = [_images(study), *_gaps(study), *_unscored(study), *_doubts(study)]
    sentences += [*warnings(study, evidence.points), *scale]
    if missing:
        sentences.append(f"{_count(missing, 'run')} of this study {'is' if missing == 1 else 'are'} left out.")
    return " ".join(sentences)


def seeds(runs: Sequence[Run]) -> str:
    """Return the seeds of runs: "seed 0" or "3 seeds (0, 1, 2)"."""
    numbers = sorted({run["config"]["seed"] for run in runs})
    if len(numbers) == 1:
        return f"seed {numbers[0]}"
    listed = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"{_count(len(numbers), 'seed')} ({listed})"


def seeds_averaged(runs: Sequence[Run], counts: Iterable[int]) -> str:
    """Return the seeds of runs, with "up to" where not every mean is over all: `counts` has how many each is over."""
    all_of_them = {len({run["config"]["seed"] for run in runs})}
    return ("" if set(counts) - {0} == all_of_them else "up to ") + seeds(runs)


def listing(words: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def test_images(study: Study) -> str:
    """Return how many test images there are."""
    return _count(study.data["images"]["test"], "test image")


def references(study: Study) -> str:
    """Return which of several settings of a method a figure of methods shows, where there are several."""
    if all(one.reference for one in study.series):
        return ""
    return "Of a method's several settings, those that most other methods share; the others are told in the tables."


def variants(study: Study) -> str:
    """Return what the brackets behind a method's name say, where there are some."""
    if all(one.reference for one in study.series):
        return ""
    return "In brackets: the settings in which runs of a method differ from those of its plain row."


def label_counts(study: Study) -> str:
    """Return how many labelled images the fractions are, where all runs agree; else nothing."""
    counts: dict[float, set[int]] = {}
    for run in study.runs:
        for subset in run["info"].get("label_subsets", []):
            counts.setdefault(round(100 * subset["fraction"], 6), set()).add(subset["images"])
    if not counts or any(len(found) > 1 for found in counts.values()):
        return ""
    told = [f"{percent:g} % is {_count(min(counts[percent]), 'image')}" for percent in sorted(counts)]
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
        found.append(f"{_count(len(corrupt), 'damaged image')} left out.")
    if unknown := data.get("unknown_labels"):
        found.append(f"{_count(unknown, 'image')} without a known label left out.")
    if grey := data.get("grey"):
        found.append(
            f"{_count(grey['files'], 'file')} of more than 8 bits: grey value {grey['black']:g} is black, "
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


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
