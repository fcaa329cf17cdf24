"""Environment of two executions of one run: code, processor, threads, versions; and whether bits depend on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repro.reproduce.verification.comparison import said
from repro.reproduce.verification.reexecution import added_settings

NAMED_AT_MOST = 10
"""Source files that are named."""


COMPUTING = (
    "device",
    "device_type",
    "processor",
    "instructions",
    "libc",
    "threads",
    "python",
    *("torch", "torchvision", "kornia", "lightly", "numpy", "scikit-learn", "scipy"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
)
"""Facts of the provenance on which bits depend."""


@dataclass(frozen=True)
class Change:
    """One thing of the surroundings that was otherwise; `computes` if bits depend on it."""

    what: str
    then: str
    now: str
    computes: bool

    def __str__(self) -> str:
        return f"{self.what} {self.then} then, {self.now} now"


LABELS = {
    "cores": "usable cores",
    "device_type": "kind of device",
    "image_id": "container image",
    "instructions": "vector instructions",
    "libc": "C library",
    "lock_sha256": "uv.lock",
    "python": "Python",
    "threads": "threads of torch",
}
"""What facts of the provenance are called where their key does not say it."""


def surroundings(
    config: dict[str, Any],
    then: dict[str, Any],
    now: dict[str, Any],
    sources: dict[str, str],
    own: dict[str, str],
) -> tuple[list[str], list[str], bool]:
    """Return what differs in code and environment, one line each, and whether that may change bits.

    Args:
        config: of the stored run.
        then, now: provenances of both runs.
        sources, own: source file -> SHA-256, as both runs stored them.
    """
    code, other_code = _code(then, now, sources, own)
    added = added_settings(config)
    if added:
        code.append("settings that did not exist then, now at: " + ", ".join(f"{k}={v}" for k, v in added.items()))
    changed, once = changes(then, now, "threads" in config), recorded_once(then, now)
    environment = [str(change) for change in changed]
    if once:
        environment.append(f"not recorded both then and now: {', '.join(once)}")
    loose = not config["deterministic"] and "cuda" in (then.get("device_type"), now.get("device_type"))
    if loose:
        environment.append(
            "a GPU with deterministic=False does not repeat bits: only equality within tolerance can be checked"
        )
    return code, environment, other_code or loose or any(change.computes for change in changed)


def _code(
    then: dict[str, Any], now: dict[str, Any], sources: dict[str, str], own: dict[str, str]
) -> tuple[list[str], bool]:
    """Return what differs in the code, and whether any source file does."""
    commits = [
        (each.get("commit") or "unknown")[:10] + (" with changes" if each.get("dirty") else "") for each in (then, now)
    ]
    lines = [f"commit {commits[0]} then, {commits[1]} now"] if commits[0] != commits[1] else []
    if not sources or not own:
        return lines, bool(lines)
    other = sorted(file for file in sources.keys() | own.keys() if sources.get(file) != own.get(file))
    if other:
        more = f" and {len(other) - NAMED_AT_MOST} more" if len(other) > NAMED_AT_MOST else ""
        lines.append(f"source files that differ: {', '.join(other[:NAMED_AT_MOST])}{more}")
    elif lines:
        lines = [f"{lines[0]}, but every source file is the same"]
    return lines, bool(other)


def changes(then: Mapping[str, Any], now: Mapping[str, Any], fixed: bool = False) -> list[Change]:
    """Return what differs between two provenances, commit and sources aside: first that on which bits depend.

    What only one of them recorded is no change: see `recorded_once`.

    Args:
        then, now: the provenances.
        fixed: whether the run's own config says how many threads it takes.
    """
    before, after = _flat(then), _flat(now)
    if (
        before.get("device_type") == after.get("device_type") == "cpu"
        and "processor" in before
        and "processor" in after
    ):
        before.pop("device", None)  # the processor says it better
    told = fixed or (before.get("OMP_NUM_THREADS") and after.get("OMP_NUM_THREADS"))
    found = []
    for key in (key for key in before if key in after and before[key] != after[key]):
        # Libraries that are not told how many threads to take go by the cores.
        computes = key in COMPUTING or (key == "cores" and not told)
        found.append(Change(LABELS.get(key, key), said(before[key]), said(after[key]), computes))
    return sorted(found, key=lambda change: not change.computes)


def recorded_once(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the facts that only one of two provenances recorded: whether they were the same cannot be told."""
    before, after = _flat(then), _flat(now)
    return [LABELS.get(key, key) for key in {**before, **after} if (key in before) != (key in after)]


def _flat(provenance: Mapping[str, Any]) -> dict[str, Any]:
    rest = {k: v for k, v in provenance.items() if k not in ("commit", "dirty", "versions", "thread_settings")}
    return {**rest, **provenance.get("thread_settings", {}), **provenance.get("versions", {})}
