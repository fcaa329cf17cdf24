"""Where a result comes from: code, environment and machine, as far as they can be told without failing."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

STAMP = ROOT / "image.json"
"""What a container image says of itself, having no git: commit, dirty, and image_id, a hash of all that it holds."""

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
    "scipy",
    "pymongo",
)

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that say how many threads the libraries below us use."""


def provenance(device: "torch.device") -> dict[str, Any]:
    """Return the commit, lock hash, image id, versions and machine; None for what cannot be told."""
    import torch  # only here: whoever asks for a name of this file is spared seconds

    lock = ROOT / "uv.lock"
    return {
        **code(),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "device_type": device.type,
        "processor": " ".join([processor(), *_stepping()]),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "libc": " ".join(platform.libc_ver()),
        "threads": torch.get_num_threads(),
        "thread_settings": {name: os.environ.get(name) for name in THREADS},
        "cores": _usable_cores(),
        "versions": versions(),
    }


def code() -> dict[str, Any]:
    """Return commit, dirty and image_id, as an image's stamp or git says them."""
    return json.loads(STAMP.read_text()) if STAMP.exists() and not (ROOT / ".git").exists() else _checkout()


def versions() -> dict[str, str | None]:
    """Return the installed version of each of `PACKAGES`."""
    return {name: _version(name) for name in PACKAGES}


CODE = ("repro", "figures", "docker", "Dockerfile", "pyproject.toml", "uv.lock")
"""What decides how a run computes and is drawn: only a change here makes a checkout another one than its commit."""


def _checkout() -> dict[str, Any]:
    """Return what git says of the code, as a stamp does."""
    status = _git("status", "--porcelain", "--", *CODE)
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status), "image_id": None}


def _git(*arguments: str) -> str | None:
    """Return what git says of the checkout; None without git, without a commit, or without a checkout."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _usable_cores() -> int:
    """Return how many cores this process may use: what libraries take threads by, unless they are told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    return next(_cpuinfo("model name"), platform.processor() or platform.machine())


def _stepping() -> list[str]:
    """Return what tells apart processors of one name, such as "family 6"; in virtual machines many share one."""
    keys = {"cpu family": "family", "model": "model", "stepping": "stepping"}
    return [f"{short} {value}" for key, short in keys.items() if (value := next(_cpuinfo(key), ""))]


def _cpuinfo(key: str) -> Iterator[str]:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    pairs = (line.partition(":") for line in lines)
    return (value.strip() for name, _, value in pairs if name.strip() == key)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
