"""What a run records, hashed where it is made: the stored record is later compared with these hashes."""

import hashlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sacred.run import Run
from sacred.serializer import flatten

from repro.store.digests import SeriesDigest, fact_sha256
from repro.weights import weights_file

NO_FACTS = ("expected", "metrics")
"""Keys of `info` that say what else the record holds, and are judged with that."""


class Recorder:
    """Passes metrics and artifacts to a Sacred run and hashes them on the way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._points: dict[str, SeriesDigest] = {}
        self._artifacts: dict[str, str] = {}

    def metric(self, name: str, value: float, step: float) -> None:
        """Record one point of a metric."""
        self._run.log_scalar(name, float(value), step)
        self._points.setdefault(name, SeriesDigest()).add(float(step), float(value))

    def info(self, **facts: Any) -> None:
        """Record facts about the run."""
        self._run.info.update(facts)

    def arrays(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Record arrays as the artifact `name`, a compressed npz."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        self._artifact(name, buffer.getvalue())

    def weights(self, name: str, state: dict[str, torch.Tensor], **about: Any) -> None:
        """Record weights as the artifact `name`, in safetensors whose metadata say what they are `about`."""
        self._artifact(name, weights_file(state, about))

    def file(self, path: Path) -> None:
        """Record a file as the artifact of its name."""
        self._artifact(path.name, path.read_bytes())

    def complete(self) -> None:
        """Record what the stored run must hold; the last thing a run does."""
        self._run.info.setdefault("metrics", [])  # it lists what is its own, also where that is nothing
        facts = {key: fact for key, fact in self._run.info.items() if key not in NO_FACTS}
        self._run.info["expected"] = {
            "metrics": {name: digest.expectation for name, digest in self._points.items()},
            "artifacts": self._artifacts,
            "facts": {key: fact_sha256(flatten(fact)) for key, fact in {**facts, "config": self._run.config}.items()},
        }

    def _artifact(self, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._run.add_artifact(path, name=name)
        self._artifacts[name] = hashlib.sha256(content).hexdigest()
