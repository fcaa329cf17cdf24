"""GPUs: what the driver sees, and what torch can use."""

import shutil
import subprocess
from collections.abc import Iterator

from repro.doctor.finding import Finding, note

TITLE = "GPU"

LITTLE = 2e9
"""Bytes of a GPU's memory below which a run of the `medmnist` scale may not fit [us]."""


def findings() -> Iterator[Finding]:
    """Yield each GPU, or why there is none."""
    names = _driver()
    import torch  # it takes seconds

    if not torch.cuda.is_available():
        if names:
            kind = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs"
            what = f"the driver sees {', '.join(names)}, but torch {torch.__version__}, built for {kind}, cannot use it"
            yield note(what, "Update the NVIDIA driver; until then runs use the CPU")
        else:
            yield Finding("none: runs use the CPU, which is enough for the scales smoke and medmnist")
        return
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        what = f"{torch.cuda.get_device_name(number)}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
        if free < LITTLE:
            yield note(what, "Another program has the rest; stop it, or set CUDA_VISIBLE_DEVICES to another GPU")
        else:
            yield Finding(what)


def _driver() -> list[str]:
    """Return the names of the GPUs that NVIDIA's driver sees."""
    if shutil.which("nvidia-smi") is None:
        return []
    line = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split("\n")[:-1]
