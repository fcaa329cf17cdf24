"""Transfer targets: the data sets that `evaluate` uses when none is named. [us]"""

TRANSFERS = {
    "isic2019": ("folder",),
    "chestxray14": ("kermany",),
    "kermany": ("chestxray14",),
    "dermamnist": ("pneumoniamnist", "breastmnist"),
    "pneumoniamnist": ("dermamnist", "breastmnist"),
    "breastmnist": ("pneumoniamnist", "dermamnist"),
    "chestmnist": ("pneumoniamnist",),
    "phantom": ("phantom_xray",),
    "phantom_xray": ("phantom",),
}
"""Data set of the pretraining -> data sets of the evaluation. The paper transfers too, but where to is unknown."""

SAME_IMAGES = ({"isic2019", "dermamnist"}, {"chestxray14", "chestmnist"}, {"kermany", "pneumoniamnist"})
"""Pairs of data sets that show the same images, at another size and divided otherwise."""
