"""Every artefact there is, in the order of the page: one line each."""

from figures.artefacts import (
    claims,
    comparisons,
    cost,
    datasets,
    effects,
    embedding,
    gallery,
    label_efficiency,
    learning,
    over_random,
    paired_differences,
    partner_quality,
    published,
    roc,
    selectors,
    semi_supervised,
    sensitivity,
    settings,
    training_curves,
    transfer,
    tuning,
    views,
)
from figures.products import Artefact

ARTEFACTS: tuple[Artefact, ...] = (
    # of all studies together
    effects.ARTEFACT,
    claims.ARTEFACT,
    transfer.ARTEFACT,
    sensitivity.ARTEFACT,
    tuning.ARTEFACT,
    published.ARTEFACT,
    datasets.ARTEFACT,
    # of each study
    semi_supervised.ARTEFACT,
    comparisons.ARTEFACT,
    paired_differences.ARTEFACT,
    label_efficiency.ARTEFACT,
    learning.ARTEFACT,
    over_random.ARTEFACT,
    roc.ARTEFACT,
    partner_quality.ARTEFACT,
    selectors.ARTEFACT,
    gallery.ARTEFACT,
    embedding.ARTEFACT,
    views.ARTEFACT,
    training_curves.ARTEFACT,
    cost.ARTEFACT,
    settings.ARTEFACT,
)
