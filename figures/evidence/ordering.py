"""Arrangement of several studies: their order, their folders, and what tells those of the same images apart."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from figures.evidence.series import differing, settings_of, tell_from
from figures.evidence.study import PAPERS_METHOD, Study

RECIPE = tuple(
    f"pretrain.{key}"
    for key in ("optimizer", "lr", "momentum", "weight_decay", "trust", "predictor_lr", "tau", "renewals")
)
"""Settings with which a method is trained; each method can have its own."""

OF_METHODS = (
    "method.", "selector.", "tracin.", "contrastive.", "simsiam.", "moco.", "barlow_twins.", "vicreg.", "swav.",
    "dino.", "restore.", "gmml.", "semixup.", "fixmatch.", "evaluate.protocols", "command",
    "encoder.weights",
)  # fmt: skip
"""Settings that belong to methods: the beginnings of their names."""

LONGEST = 60
"""Letters of what the folder of a study adds to another's name; longer ones get the study's hash."""

GAUNTLET = "gauntlet"
"""The scale whose studies differ in their encoders."""


def in_order(studies: Sequence[Study]) -> tuple[Study, ...]:
    """Return the studies with folders and notes: real images first, then those with most runs, then the newest.

    Of several with the same images and scale the greatest has the plain name; the others say how they differ from it.
    """
    alike: dict[str, list[Study]] = {}
    for study in studies:
        if study.series and not aside(study, studies):
            alike.setdefault(_folder(study), []).append(study)
    named = {study.key: dataclasses.replace(study, folder=_folder(study)) for study in studies}
    for folder, found in alike.items():
        first, *others = sorted(found, key=lambda study: (-len(study.runs), study.runs[0]["_id"]))
        taken: set[str] = set()
        for study in others:
            note = _note(study, first)
            if note in taken:  # both differ from the greatest in the same settings, and from each other in their images
                note = f"{note}, study {study.key[:8]}"
            taken.add(note)
            named[study.key] = dataclasses.replace(study, folder=f"{folder}-{_fit(note, study.key)}", note=note)
    return tuple(sorted(named.values(), key=lambda s: (s.phantom, -len(s.runs), -s.runs[-1]["_id"], s.folder)))


def aside(study: Study, studies: Iterable[Study]) -> bool:
    """Whether a study has no chapter of its own.

    It is of one encoder of the gauntlet, whose table shows it; or the variant of a greater study, runs of the paper's
    method with one setting changed, and stands in the table of sensitivity, beside that method's other settings.
    """
    if in_gauntlet(study):
        return True
    drawn = [one for one in study.series if one.runs]
    return {one.method for one in drawn} == {PAPERS_METHOD} and any(
        len({one.method for one in other.series}) > 1
        and study.same_images(other)
        and (base := other.reference(PAPERS_METHOD)) is not None
        and all(len(differing(base, one)) == 1 for one in drawn)
        for other in studies
    )


def in_gauntlet(study: Study) -> bool:
    """Whether a study is of one encoder that is compared with others."""
    return GAUNTLET in study.scale.split("+")


def _shared_settings(study: Study) -> dict[str, str]:
    """Return the settings of a study that do not belong to its methods."""
    own = (*OF_METHODS, *RECIPE)
    return {name: value for name, value in settings_of(study.runs).items() if not name.startswith(own)}


def _note(study: Study, first: Study) -> str:
    """Return in what a study differs from another with the same images and scale."""
    note = tell_from(_shared_settings(first), {study.key: _shared_settings(study)})[study.key]
    return note or f"images {str(study.data.get('sha256'))[:8]}"


def _folder(study: Study) -> str:
    data = study.config["data"]
    return _fit(f"{data['name']}-{data['split']}-{data['size']}px-{study.scale}")


def _fit(name: str, instead: str = "") -> str:
    """Return a name fit for a folder; `instead` where it would not tell the name any more, or be a long one."""
    fit = re.sub(r"[^\w.+=-]+|^\.+", "_", name)
    return instead if instead and (fit != name or len(fit) > LONGEST) else fit
