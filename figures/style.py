"""Visual style: names, order, colours and markers of methods, widths, fonts, ink."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

INK, MUTED, GRID, PAPER = "#1b1a18", "#6f6b64", "#dedbd3", "#ffffff"

TWO_COLUMNS, ONE_COLUMN = 6.9, 3.35
"""Widths in inches: a figure across the page, and in one column of a two-column page."""


Marker = Any
"""matplotlib's: a letter, or (corners, 0 for a polygon and 1 for a star, degrees)."""


@dataclass(frozen=True)
class Look:
    """A method's name in print, its colour (Okabe and Ito's colour-blind-safe set) and its marker."""

    label: str
    colour: str
    marker: Marker


METHODS = {
    "random_init": Look("Random init.", "#8a867e", "X"),
    "supervised": Look("Supervised", "#33312e", "s"),
    "semixup": Look("Semixup", "#4b0092", "*"),
    "imagenet": Look("ImageNet weights", "#442200", "d"),
    "fixmatch": Look("FixMatch", "#8f2d56", "H"),
    "fixmatch_paths": Look("FixMatch, 3 paths", "#c06c84", (4, 1, 45)),
    "simclr": Look("SimCLR", "#b58900", "<"),
    "dcl": Look("DCL", "#7f6a1d", ">"),
    "nnclr": Look("NNCLR", "#5b4a9e", "p"),
    "dcl_nn": Look("DCL + NN", "#8c564b", "8"),
    "moco": Look("MoCo v2", "#2f6f4f", (4, 1, 0)),
    "simsiam": Look("SimSiam", "#0f8b8d", (6, 1, 0)),
    "barlow_twins": Look("Barlow Twins", "#a23b72", (3, 1, 0)),
    "vicreg": Look("VICReg", "#c44536", (3, 1, 180)),
    "swav": Look("SwAV", "#6a994e", (8, 1, 0)),
    "dino": Look("DINO", "#3d5a80", (5, 1, 180)),
    "restore": Look("Restoration", "#b08968", (7, 0, 0)),
    "gmml": Look("GMML", "#7f5539", (5, 0, 180)),
    "byol": Look("BYOL", "#0072b2", "o"),
    "byol_random": Look("BYOL + random", "#56b4e9", "v"),
    "byol_cosine": Look("BYOL + cosine", "#009e73", "D"),
    "byol_queue": Look("BYOL + queue", "#882255", "h"),
    "byol_tracin": Look("BYOL + TracIn", "#d55e00", "^"),
    "byol_tracin_refined": Look("BYOL + TracIn, refined", "#a34700", (4, 0, 0)),
    "byol_oracle": Look("BYOL + oracle (uses labels)", "#cc79a7", "P"),
    "simsiam_tracin": Look("SimSiam + TracIn", "#095a5c", (3, 1, 90)),
    "simclr_tracin": Look("SimCLR + TracIn", "#7a5c00", (3, 1, 270)),
}
"""In the order of every table and legend."""

SELECTORS = {
    "tracin_cosine": Look("TracIn (cosine)", METHODS["byol_tracin"].colour, "^"),
    "tracin_dot": Look("TracIn (dot)", "#e69f00", "<"),
    "cosine": Look("Nearest by cosine", METHODS["byol_cosine"].colour, "D"),
    "queue": Look("Nearest in queue", METHODS["byol_queue"].colour, "h"),
    "tracin_bank": Look("TracIn in queue", "#8f4e00", ">"),
    "random": Look("Random", METHODS["byol_random"].colour, "v"),
    "oracle": Look("Oracle (uses labels)", METHODS["byol_oracle"].colour, "P"),
}

DATA = {
    "dermamnist": "DermaMNIST",
    "pneumoniamnist": "PneumoniaMNIST",
    "breastmnist": "BreastMNIST",
    "chestmnist": "ChestMNIST",
    "isic2019": "ISIC 2019",
    "chestxray14": "ChestX-ray14",
    "kermany": "Kermany et al. chest X-rays",
    "phantom": "phantom dermoscopy",
    "folder": "a folder of images",
    "phantom_xray": "phantom X-rays",
}

PROTOCOLS = {"finetune": "Fine-tuning", "linear": "Linear probe", "knn": "k-nearest neighbours"}

CLASSES = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#6f6b64", "#117733", "#882255", "#999933",
    "#332288", "#44aa99", "#aa4499", "#a6761d", "#1b1a18",
)  # fmt: skip
"""Colours of labels, in their order: the first ones Okabe and Ito's, then Tol's, all safe for colour-blind eyes."""

CLASS_MARKERS = "osD^vPXph*<>d8"
"""Markers of labels, so that colour is not alone in telling them apart: one fewer, so that pairs are many."""

_SPARE_COLOURS = ("#a6761d", "#44aa99", "#aa4499", "#117733", "#999933", "#6699cc")
_SPARE_MARKERS = "*dH8"

LINES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Lines of the variants of one method; a method keeps its colour and marker."""

DARK = {
    INK: "#ece9e2",
    MUTED: "#a5a096",
    GRID: "#3a3935",
    "#33312e": "#d8d4ca",
    "#0072b2": "#3f9fdd",
    "#56b4e9": "#9ad4f7",
    "#009e73": "#2cc295",
    "#d55e00": "#f07f2e",
    "#882255": "#c9598f",
    "#5b4a9e": "#9c8be0",
    "#7f6a1d": "#b39c4c",
    "#4b0092": "#a64dff",
    "#442200": "#eecc88",
}
"""What a colour becomes on a dark page."""

RC: Any = {
    "figure.facecolor": PAPER,
    "font.family": "STIXGeneral",  # comes with matplotlib, so every machine draws the same
    "mathtext.fontset": "stix",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.6,
    "lines.markeredgewidth": 0.0,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "text.parse_math": False,  # names may have dollars
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "figures",
    "savefig.dpi": 300,
}


def look(name: str, known: dict[str, Look] = METHODS) -> Look:
    """Return how a method (or selector) is drawn; an unknown name gets a look made from the name."""
    if name in known:
        return known[name]
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    colour = _SPARE_COLOURS[number % len(_SPARE_COLOURS)]
    return Look(_label(name), colour, _SPARE_MARKERS[number // 7 % len(_SPARE_MARKERS)])


def own(names: Iterable[str]) -> tuple[str, ...]:
    """Return the methods among `names` that are not the kit's, each once, by name: somebody added them."""
    return tuple(sorted(set(names) - METHODS.keys()))


def _label(name: str) -> str:
    """Return the name in print of a method that is not the kit's: byol_mine is "BYOL + mine"."""
    base, _, selector = name.partition("_")
    return f"{METHODS[base].label} + {selector.replace('_', ' ')}" if base in METHODS and selector else name


def class_look(number: int) -> tuple[str, str]:
    """Return colour and marker of the label with this number, from 0."""
    return CLASSES[number % len(CLASSES)], CLASS_MARKERS[number % len(CLASS_MARKERS)]


def rank(name: str, known: dict[str, Any] = METHODS) -> tuple[int, str]:
    """Return a sort key: known names in their order, then the others by name."""
    return (list(known).index(name) if name in known else len(known), name)
