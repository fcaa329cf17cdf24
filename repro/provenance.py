"""Where a result comes from: code, environment and machine, as far as they can be told without failing."""

import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

PACKAGES = (
    "torch",
    "torchvision",
    "kornia",
    "lightly",
    "medmnist",
    "numpy",
    "sacred",
    "safetensors",
    "scikit-learn",
    "pymongo",
)


def provenance(device: torch.device) -> dict[str, Any]:
    """Return the commit, lock hash, image id, versions and machine; None for what cannot be told.

    An image without git names its commit in REPRO_COMMIT, and itself in REPRO_IMAGE_ID.
    """
    lock = ROOT / "uv.lock"
    status = _git("status", "--porcelain")
    return {
        "commit": os.environ.get("REPRO_COMMIT") or _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "image_id": os.environ.get("REPRO_IMAGE_ID"),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _git(*arguments: str) -> str | None:
    """Return what git says of the checkout; None without git, without a commit, or without a checkout."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    """Return the processor's name, where the system tells it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
