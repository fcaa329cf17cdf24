"""Procedural images whose class shows in structure only: for tests, and for trying the kit without data.

The drawing of each family is in its own file; here are the patients, the splits and the camera. The camera
gives every channel of every image a mean and a contrast drawn without looking at the class, so that colour
and brightness cannot stand in for structure. No medical claim follows from these images.
"""

import importlib

import numpy as np

from repro.data.imageset import ImageSet
from repro.errors import InputError, did_you_mean

GENERATOR = 2
"""Version of the drawing [us]: raise it with every change that alters a pixel, so that runs stay apart."""

SPLIT_SIZES = {"train": 3000, "val": 400, "test": 1000}
"""Images per split [us]."""

IMAGES_PER_PATIENT = (1, 2, 3)
"""Every patient has one class and, with equal chance, so many images of it [us]."""

FAMILIES = {"phantom": ("phantom_dermoscopy", 1), "phantom_xray": ("phantom_xray", 2)}
"""The module that draws, and the seed of everything drawn at random [us]."""

NAMES = tuple(FAMILIES)

SMALLEST, LARGEST = 28, 224
CHUNK_PIXELS = 2**17
"""Pixels drawn at once: few enough for a processor's cache, and for any machine's memory."""


def load(name: str, size: int, split: str) -> ImageSet:
    """Draw a phantom data set: the same bytes on every call with the same arguments.

    All arithmetic is in double precision, so that the last digit of a sine, which depends on the processor, does
    not reach the grey values. The same image shows the same scene at every size; only the sensor noise differs.

    Args:
        name: "phantom" (dermoscopy-like, colour) or "phantom_xray" (chest-X-ray-like, grey).
        size: height and width of the images, 28 to 224 pixels.
        split: "official", the only one; no patient is in two of its parts.

    Returns:
        4,400 images of four classes, ordered train, val, test, and within a split by patient.

    Raises:
        InputError: unknown name or split, or a size out of range.
    """
    if name not in FAMILIES:
        raise InputError(f"data.name: no phantom '{name}'.{did_you_mean(name, NAMES)} Known: {', '.join(NAMES)}")
    if split != "official":
        raise InputError(f"data.split={split}: {name} has one split; set data.split=official")
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"data.size={size}: {name} is drawn at {SMALLEST} to {LARGEST} px; set data.size to 28")
    module, seed = FAMILIES[name]
    family = importlib.import_module(f"repro.data.sources.{module}")  # scipy takes long to import
    rng = np.random.default_rng(seed)
    labels, groups, parts = _patients(np.array(family.CLASS_SHARES), rng)
    scenes = family.sample(labels, groups, rng)
    images = np.empty((len(labels), size, size, family.CHANNELS), np.uint8)
    step = CHUNK_PIXELS // size**2
    for start in range(0, len(labels), step):
        chunk = {key: value[start : start + step] for key, value in scenes.items()}
        images[start : start + step] = _photograph(family.draw(chunk, size), chunk, rng)
    manifest = {"source": "procedural", "generator": GENERATOR}
    return ImageSet(name, images, labels, parts, family.CLASS_NAMES, groups, manifest=manifest)


def _patients(class_shares: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels int64 `[N]`, patients int64 `[N]` (0, 1, ...) and split names `[N]`, in split order."""
    labels, groups, parts = [], [], []
    patients = 0
    for part, size in SPLIT_SIZES.items():
        # As many patients as images is always enough; the last one is cut where the split is full.
        group = np.repeat(np.arange(size), rng.choice(IMAGES_PER_PATIENT, size))[:size]
        label = rng.choice(len(class_shares), size, p=class_shares)
        labels.append(label[group])
        groups.append(group + patients)
        parts.append(np.full(size, part))
        patients += int(group[-1]) + 1
    return np.concatenate(labels), np.concatenate(groups), np.concatenate(parts)


def _photograph(scene: np.ndarray, chunk: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Blur, expose and digitise scenes, whatever their class.

    Args:
        scene: float64 `[B, S, S, C]` in any units.
        chunk: "blur" `[B, 1, 1]`, Gaussian sigma in image widths (0 to 0.02); and in grey values 0..1 "mean"
            and "contrast" (standard deviation) `[B, 1, 1, 1 or C]` of the photograph before noise, and
            "noise" `[B, 1, 1]`, the sigma of the sensor's.
        rng: draws the noise.

    Returns:
        uint8 `[B, S, S, C]`.
    """
    from scipy.fft import dctn, idctn

    # Channels first: the transform and the sums run several times faster on whole planes.
    planes = np.ascontiguousarray(np.moveaxis(scene, -1, 1))
    mean, contrast = np.moveaxis(chunk["mean"], -1, 1), np.moveaxis(chunk["contrast"], -1, 1)
    # In the cosine domain a Gaussian blur is a product and has no dark rim.
    wave = np.pi * np.arange(scene.shape[1])
    attenuation = np.exp(-0.5 * chunk["blur"] ** 2 * (wave[:, None] ** 2 + wave**2))[:, None]
    planes = idctn(dctn(planes, axes=(2, 3), norm="ortho") * attenuation, axes=(2, 3), norm="ortho")
    planes -= planes.mean(axis=(2, 3), keepdims=True)
    planes *= contrast / planes.std(axis=(2, 3), keepdims=True)
    planes += mean
    planes += chunk["noise"][:, None] * rng.standard_normal(planes.shape)
    return np.moveaxis((planes.clip(0, 1) * 255 + 0.5).astype(np.uint8), 1, -1)
