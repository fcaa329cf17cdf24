"""Chest-X-ray-like scenes: lungs, ribs, heart and spine, whose class is how the contents of the lungs lie.

Every chest has a mottling and a haze of the same amount; a class changes only the scale of the one and the
side of the other, so that grey-value histograms stay alike. A nodule is too small to show in them.
All numbers are [us].
"""

import numpy as np
from scipy.special import expit

from repro.data.sources.phantom_draws import Draws

CLASS_NAMES = ("clear", "diffuse texture", "focal nodule", "one-sided opacity")
CLASS_SHARES = (0.50, 0.20, 0.15, 0.15)
CHANNELS = 1

_CLEAR, _DIFFUSE, _NODULE, _ONE_SIDED = range(4)
_WAVES = 5


def sample(labels: np.ndarray, patients: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw what each scene consists of; images of a patient share the body, not the pose or the exposure.

    Lengths are in half image widths: the image spans -1..1 in both directions, y downwards.

    Args:
        labels: int64 `[N]` in 0..3.
        patients: int64 `[N]`, numbered from 0.
        rng: draws everything, in an order that does not depend on the labels.

    Returns:
        float64 arrays `[N, 1, 1]` (or `[N, 1, 1, K]`), keys as `draw` and the camera use them.
    """
    draws = Draws(labels, patients, rng)
    own, shared, where = draws.own, draws.shared, draws.where

    def side() -> np.ndarray:
        return np.where(own(-1, 1) < 0, -1, 1)

    # One lung hazy over twice the height, or both over the single height.
    haze_height, haze_side = own(0.25, 0.55), side()
    both = np.concatenate([haze_height, haze_height], axis=-1)[:, :, None]
    one = np.concatenate([1 - haze_side, 1 + haze_side], axis=-1)[:, :, None] * haze_height[..., None]
    return {
        "x": own(-0.12, 0.12),
        "y": own(-0.12, 0.12),
        "tilt": own(-0.15, 0.15),
        "zoom": own(0.85, 1.15),
        "body": shared(0.95, 1.15),
        "lung_x": shared(0.40, 0.47),
        "lung_width": shared(0.23, 0.31),
        "lung_height": shared(0.60, 0.75),
        "diaphragm": shared(0.35, 0.55, 2) + own(-0.05, 0.05, 1),
        "heart": shared(0.22, 0.36),
        "spine": shared(0.10, 0.2),
        "rib_wave": shared(20.0, 26.0),
        "rib_phase": shared(0, 2 * np.pi),
        "rib_slope": shared(0.1, 0.5),
        "rib_depth": shared(0.05, 0.22),
        "mottle_wave": where(_DIFFUSE, own(19.0, 27.0, _WAVES), own(4.0, 9.0, _WAVES)),
        "mottle_turn": own(0, np.pi, _WAVES),
        "mottle_phase": own(0, 2 * np.pi, _WAVES),
        "mottle_depth": own(0.12, 0.22),
        "haze_height": where(_ONE_SIDED, one, both),
        "haze_depth": own(0.30, 0.55),
        "nodule_depth": where(_NODULE, own(0.35, 0.65), own(0, 0)),
        "nodule_side": side(),
        "nodule_x": own(-0.1, 0.1),
        "nodule_y": own(-0.4, 0.15),
        "nodule_radius": own(0.09, 0.14),
        "heel": own(-0.2, 0.2, 2),
        "gamma": own(0.8, 1.4),
        "mean": own(0.45, 0.65, 1),
        "contrast": own(0.10, 0.20, 1),
        "blur": own(0.0, 0.015),
        "noise": own(0.005, 0.03),
    }


def draw(p: dict[str, np.ndarray], size: int) -> np.ndarray:
    """Draw scenes: bright where tissue is thick, dark where there is air.

    Args:
        p: scenes as `sample` gives them, or any slice of them along N.
        size: height and width in pixels.

    Returns:
        float64 `[N, size, size, 1]`, about 0..1.5.
    """
    axis = (np.arange(size) + 0.5) * (2 / size) - 1
    x, y = axis[None, None, :], axis[None, :, None]
    dx, dy = (x - p["x"]) * p["zoom"], (y - p["y"]) * p["zoom"]
    u = dx * np.cos(p["tilt"]) + dy * np.sin(p["tilt"])
    v = dy * np.cos(p["tilt"]) - dx * np.sin(p["tilt"])

    out = np.abs(u)
    # The trunk narrows to the neck above the shoulders.
    trunk = expit((p["body"] - 1.1 * np.maximum(-0.35 - v, 0) ** 2 - out) / 0.05)
    ribs = np.cos(p["rib_wave"] * (v - p["rib_slope"] * out + 0.5 * out * out) + p["rib_phase"])
    spine = np.exp(-((u / p["spine"]) ** 2))
    heart = expit((p["heart"] - np.hypot(u - 0.14 + 0.15 * (0.3 - v), 0.8 * (v - 0.25))) / 0.03)

    mottle = np.zeros_like(u)
    for k in range(_WAVES):
        turn = p["mottle_turn"][..., k]
        mottle += np.cos(p["mottle_wave"][..., k] * (u * np.cos(turn) + v * np.sin(turn)) + p["mottle_phase"][..., k])
    mottle *= p["mottle_depth"] * np.sqrt(2 / _WAVES)

    tissue = 0.75 + 0.15 * v + 0.3 * spine
    for index, sign in enumerate((-1, 1)):
        lung = _lung(p, u * sign, v, index)
        base = p["diaphragm"][..., index] - p["haze_height"][..., index]
        haze = p["haze_depth"] * expit((v - base) / 0.06)
        spot = (u * sign - p["lung_x"] - p["nodule_x"]) ** 2 + (v - p["nodule_y"]) ** 2
        spot /= p["nodule_radius"] ** 2
        nodule = p["nodule_depth"] * (p["nodule_side"] == sign) * np.exp(-(spot**2))
        tissue += lung * (haze + nodule + mottle + p["rib_depth"] * ribs - 0.75)
    tissue = np.maximum(tissue, (0.75 + 0.3 * spine) * heart)
    light = 1 + p["heel"][..., 0] * x + p["heel"][..., 1] * y
    return (np.maximum(tissue * trunk, 0.02) ** p["gamma"] * light)[..., None]


def _lung(p: dict[str, np.ndarray], out: np.ndarray, v: np.ndarray, index: int) -> np.ndarray:
    """Return where a lung is, float64 `[N, S, S]` in 0..1; `out`: distance from the midline, positive on its side."""
    across = (out - p["lung_x"] - 0.1 * np.minimum(v, 0)) / p["lung_width"]  # the apex leans to the neck
    upright = ((v + 0.05) / p["lung_height"]) ** 2
    inside = expit((1 - across**2 - upright**2) / 0.15)
    floor = p["diaphragm"][..., index] + 0.08 * across
    return inside * expit((floor - v) / 0.03)
