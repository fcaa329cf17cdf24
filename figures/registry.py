"""Every artefact there is, in the order of the page: one line each."""

from figures.artefacts import label_efficiency, partner_quality, selectors, semi_supervised, training_curves
from figures.products import Artefact

ARTEFACTS: tuple[Artefact, ...] = (
    semi_supervised.ARTEFACT,
    label_efficiency.ARTEFACT,
    partner_quality.ARTEFACT,
    selectors.ARTEFACT,
    training_curves.ARTEFACT,
)
