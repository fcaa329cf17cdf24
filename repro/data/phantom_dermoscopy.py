"""Dermoscopy-like scenes: a pigmented lesion on skin, whose class is the arrangement of its parts.

Every lesion has the same parts in the same amounts (a border, a dark core, a mottling); a class changes only
how they are arranged, so that colour histograms stay alike. All numbers are [us].
"""

import numpy as np
from scipy.special import expit

from repro.data.phantom_draws import Draws

CLASS_NAMES = ("smooth border", "irregular border", "globular texture", "asymmetric lobe")
CLASS_SHARES = (0.55, 0.20, 0.15, 0.10)
CHANNELS = 3

_SMOOTH, _IRREGULAR, _GLOBULAR, _ASYMMETRIC = range(4)
_HAIRS, _LOBES, _WAVES = 3, 3, 5
_PALE, _TAN = np.array([0.80, 0.60, 0.60]), np.array([0.66, 0.46, 0.38])


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
    skin, hairy = shared(0, 1, 1), shared(0, 1, 1) < 0.35
    return {
        "x": own(-0.25, 0.25),
        "y": own(-0.25, 0.25),
        "turn": own(0, 2 * np.pi),
        "stretch": own(0.8, 1.0),
        "radius": own(0.42, 0.68),
        "softness": own(0.03, 0.09),
        "lobes": lobes,
        "lobe_depth": where(_IRREGULAR, own(0.03, 0.13, _LOBES), own(0.0, 0.035, _LOBES)),
        "lobe_phase": own(0, 2 * np.pi, _LOBES),
        "warp": own(0, 2 * np.pi, 4),
        "core_offset": where(_ASYMMETRIC, own(0.55, 0.85), own(0.0, 0.15)),
        "core_depth": own(0.3, 1.0),
        "core_softness": own(0.06, 0.16),
        "mottle_wave": where(_GLOBULAR, own(16.0, 22.0, _WAVES), own(2.5, 5.0, _WAVES)),
        "mottle_turn": np.linspace(0, np.pi, _WAVES, endpoint=False) + own(-0.3, 0.3, _WAVES),
        "mottle_phase": own(0, 2 * np.pi, _WAVES),
        "mottle_depth": own(0.12, 0.35),
        "body_pigment": np.array([0.5, 1.0, 1.1]) * shared(0.7, 1.3, 3),
        "core_pigment": np.array([0.9, 1.0, 0.8]) * shared(0.8, 1.2, 3),
        "light": shared(-0.15, 0.15, 2) + own(-0.08, 0.08, 2),
        "vignette": shared(0.0, 0.2),
        "hair": np.where(hairy, shared(-0.4, 0.7, _HAIRS).clip(0), 0),
        "hair_turn": shared(0, np.pi, 1) + own(-0.5, 0.5, _HAIRS),
        "hair_at": own(-0.9, 0.9, _HAIRS),
        "hair_bend": own(-0.25, 0.25, _HAIRS),
        "mean": _PALE + (_TAN - _PALE) * skin + shared(-0.03, 0.03, 3) + own(-0.04, 0.04, 1),
        "contrast": own(0.07, 0.17, 1) * shared(0.88, 1.12, 3),
        "blur": own(0.0, 0.02),
        "noise": own(0.005, 0.035),
    }


def draw(p: dict[str, np.ndarray], size: int) -> np.ndarray:
    """Draw scenes: light on skin, what the pigment lets through (Beer-Lambert), hairs on top.

    Args:
        p: scenes as `sample` gives them, or any slice of them along N.
        size: height and width in pixels.

    Returns:
        float64 `[N, size, size, 3]`, reflected light in about 0..1.4.
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
    # Lobes move area about but add none: a class must not be larger than another.
    outline *= p["radius"] / np.sqrt(1 + (p["lobe_depth"] ** 2).sum(-1) / 2)
    body = expit((outline - np.hypot(u, v)) / (p["softness"] / 2))
    away = np.hypot(u - p["core_offset"] * p["radius"], v)
    core = expit((0.5 * p["radius"] - away) / (p["core_softness"] / 2))
    body = np.maximum(body, core)

    mottle = np.zeros_like(u)
    for k in range(_WAVES):
        ahead, _ = _turned(u, v, p["mottle_turn"][..., k])
        mottle += np.cos(p["mottle_wave"][..., k] * ahead + p["mottle_phase"][..., k])
    mottle *= p["mottle_depth"] * np.sqrt(2 / _WAVES)

    pigment = (body * (1 + mottle))[..., None] * p["body_pigment"]
    pigment += (core * p["core_depth"])[..., None] * p["core_pigment"]
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


def _turned(x: np.ndarray, y: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
