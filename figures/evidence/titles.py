"""What studies, images and seeds are called in a heading or a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from figures import style
from figures.evidence.series import Run
from figures.evidence.study import Study

NAMED = 5
"""Words that are listed; of more, their number is told."""


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


def seeds(runs: Sequence[Run]) -> str:
    """Return the seeds of runs: "seed 0" or "3 seeds (0, 1, 2)"."""
    numbers = sorted({run["config"]["seed"] for run in runs})
    if len(numbers) == 1:
        return f"seed {numbers[0]}"
    listed = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"{count(len(numbers), 'seed')} ({listed})"


def listing(words: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def listing_or_number(words: Sequence[str], noun: str) -> str:
    """Return "a, b and c"; of more than `NAMED` words their number: "12 methods"."""
    return listing(words) if len(words) <= NAMED else count(len(words), noun)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 run", "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
