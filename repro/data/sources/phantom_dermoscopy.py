"""Dermoscopy-like scenes: a pigmented lesion on skin, whose class is the arrangement of its pigment.

The classes are global patterns of pigment that fill the lesion, so that a crop still shows them. Every lesion
has light and dark pigment in the same amounts; a class changes only where they are, so that colour histograms
stay alike. All numbers are [us].
"""

import numpy as np
from scipy.special import expit

from repro.data.sources.phantom_draws import Draws

CLASS_NAMES = ("homogeneous pattern", "reticular pattern", "globular pattern", "parallel pattern")
CLASS_SHARES = (0.55, 0.20, 0.15, 0.10)
CHANNELS = 3

_HOMOGENEOUS, _RETICULAR, _GLOBULAR, _PARALLEL = range(4)
_HAIRS, _LOBES, _WAVES = 3, 3, 3
_PALE, _TAN = np.array([0.70, 0.52, 0.49]), np.array([0.67, 0.48, 0.42])


def sample(labels: np.ndarray, patients: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw what each scene consists of; images of a patient share skin, light, hairs and pigment.

    Lengths are in half image widths: the image spans -1..1 in both directions.

    Args:
        labels: int64 `[N]` in 0..3.
        patients: int64 `[N]`, numbered from 0.
        rng: draws everything, in an order that does not depend on the labels.

    Returns:
        float64 arrays `[N, 1, 1]` (or `[N, 1, 1, K]`), keys as `draw` and the camera use them.
    """
    n, draws = len(labels), Draws(labels, patients, rng)
    own, shared, where = draws.own, draws.shared, draws.where

    # Harmonics of the outline. Two lobes only make an ellipse, which every class may have: these begin at 3.
    lobes = rng.permuted(np.tile(np.arange(3, 9), (n, 1)), axis=1)[:, None, None, :_LOBES]
    skin, hairy = shared(0, 1, 1), shared(0, 1, 1) < 0.15
    # Three waves 60 degrees apart make a honeycomb; their phases say whether its holes or its walls are dark.
    turn, phase = own(0, 2 * np.pi), own(0, 2 * np.pi, 2)
    across = phase.sum(-1) + np.pi * where(_RETICULAR, own(1, 1), own(0, 0))
    scale = where(_HOMOGENEOUS, own(2.0, 3.5), where(_GLOBULAR, own(7.0, 9.0), own(10.0, 13.0)))
    fan = where(_PARALLEL, own(-0.1, 0.1, _WAVES), np.arange(_WAVES) * np.pi / 3 + own(-0.1, 0.1, _WAVES))
    return {
        "x": own(-0.12, 0.12),
        "y": own(-0.12, 0.12),
        "turn": own(0, 2 * np.pi),
        "stretch": own(0.8, 1.0),
        "radius": own(0.85, 1.05),
        "softness": own(0.04, 0.12),
        "lobes": lobes,
        "lobe_depth": own(0.0, 0.05, _LOBES),
        "lobe_phase": own(0, 2 * np.pi, _LOBES),
        "warp": own(0, 2 * np.pi, 4),
        "pattern_wave": scale[..., None] * own(0.95, 1.05, _WAVES),
        "pattern_turn": turn[..., None] + fan,
        "pattern_phase": np.stack([phase[..., 0], across, phase[..., 1]], axis=-1),
        "pattern_depth": own(0.7, 0.9),
        "pigment": np.array([1.0, 1.4, 1.4]) * shared(0.85, 1.15, 3),
        "light": shared(-0.03, 0.03, 2) + own(-0.02, 0.02, 2),
        "vignette": shared(0.0, 0.06),
        "hair": np.where(hairy, shared(-0.4, 0.7, _HAIRS).clip(0), 0),
        "hair_turn": shared(0, np.pi, 1) + own(-0.5, 0.5, _HAIRS),
        "hair_at": own(-0.9, 0.9, _HAIRS),
        "hair_bend": own(-0.25, 0.25, _HAIRS),
        "mean": _PALE + (_TAN - _PALE) * skin + shared(-0.01, 0.01, 3) + own(-0.015, 0.015, 1),
        "contrast": own(0.12, 0.17, 1) * shared(0.95, 1.05, 3),
        "blur": own(0.0, 0.005),
        "noise": own(0.006, 0.018),
    }


def draw(p: dict[str, np.ndarray], size: int) -> np.ndarray:
    """Draw scenes: light on skin, what the pigment lets through (Beer-Lambert), hairs on top.

    Args:
        p: scenes as `sample` gives them, or any slice of them along N.
        size: height and width in pixels.

    Returns:
        float64 `[N, size, size, 3]`, reflected light in about 0..1.1.
    """
    axis = (np.arange(size) + 0.5) * (2 / size) - 1
    x, y = axis[None, None, :], axis[None, :, None]
    u, v = _turned(x - p["x"], y - p["y"], p["turn"])
    u, v = u * np.sqrt(p["stretch"]), v / np.sqrt(p["stretch"])
    a, b, c, d = np.moveaxis(p["warp"], -1, 0)  # nothing alive is a perfect disc
    u, v = (
        u + 0.03 * np.sin(5 * v + a) + 0.02 * np.sin(9 * v + b),
        v + 0.03 * np.sin(5 * u + c) + 0.02 * np.sin(9 * u + d),
    )

    angle = np.arctan2(v, u)
    outline = np.ones_like(angle)
    for k in range(_LOBES):
        outline += p["lobe_depth"][..., k] * np.cos(p["lobes"][..., k] * angle + p["lobe_phase"][..., k])
    # Lobes move area about but add none.
    outline *= p["radius"] / np.sqrt(1 + (p["lobe_depth"] ** 2).sum(-1) / 2)
    body = expit((outline - np.hypot(u, v)) / (p["softness"] / 2))

    pattern = np.zeros_like(u)
    for k in range(_WAVES):
        ahead, _ = _turned(u, v, p["pattern_turn"][..., k])
        pattern += np.cos(p["pattern_wave"][..., k] * ahead + p["pattern_phase"][..., k])
    density = _levelled(body * np.exp(p["pattern_depth"] * pattern))
    density *= density * (3 - 2 * density)  # steeper between light and dark

    pigment = density[..., None] * p["pigment"]
    light = 1 + p["light"][..., 0] * x + p["light"][..., 1] * y - p["vignette"] * (x * x + y * y)
    return np.exp(-pigment) * (light * _hairs(p, x, y, size))[..., None]


def _hairs(p: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """Return the light that bent hairs let through, float64 `[N, size, size]` in 0..1."""
    width = max(0.015, 0.9 / size)  # never thinner than half a pixel, or it breaks into dashes
    through = np.ones((len(p["hair"]), size, size))
    for k in range(_HAIRS):
        along, across = _turned(x, y, p["hair_turn"][..., k])
        off = (across - p["hair_at"][..., k] + p["hair_bend"][..., k] * along**2) / width
        through *= 1 - p["hair"][..., k] * np.exp(-off * off)
    return through


def _levelled(values: np.ndarray) -> np.ndarray:
    """Replace values `[N, S, S]` by their ranks in the image, from 0 to 1: the same histogram for every pattern."""
    ranks = values.reshape(len(values), -1).argsort(axis=1).argsort(axis=1)
    return (ranks / (ranks.shape[1] - 1)).reshape(values.shape)


def _turned(x: np.ndarray, y: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
