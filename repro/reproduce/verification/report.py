"""Report of a verification, as text and as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from repro.reproduce.verification.comparison import gap_of
from repro.reproduce.verification.tolerances import TOLERANCES, tolerance_of
from repro.reproduce.verification.verify import WITHIN, Verdict, failed

SHOWN = 10
"""Differences that the report shows of a run; `plain` has all."""


def report(verdicts: Sequence[Verdict]) -> str:
    """Return a table of the verdicts, and below it what differs, run by run."""
    width = max((len(verdict.title) for verdict in verdicts), default=0)
    lines = [f"run {v.run:<5} {v.title:{width}}  {v.verdict:18} {v.seconds:6.0f} s" for v in verdicts]
    for verdict in verdicts:
        details = _details(verdict)
        if details:
            lines += ["", f"run {verdict.run}, {verdict.title}: {verdict.verdict}", *(f"  {line}" for line in details)]
    counts = Counter(verdict.verdict for verdict in verdicts)
    return "\n".join([*lines, "", ", ".join(f"{count} {verdict}" for verdict, count in counts.items())])


def plain(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return verdicts and tolerances as plain values, fit for JSON."""
    return {
        "failed": failed(verdicts),
        "tolerances": {pattern: str(tolerance) for pattern, tolerance in TOLERANCES.items()},
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def _details(verdict: Verdict) -> list[str]:
    lines = [verdict.reason] if verdict.reason else []
    lines += [f"code: {line}" for line in verdict.code]
    lines += [f"environment: {line}" for line in verdict.environment]
    if not verdict.differences:
        return lines
    metrics = [difference for difference in verdict.differences if difference.name.startswith("metric ")]
    points, rest = sum(d.count for d in metrics), len(verdict.differences) - len(metrics)
    lines.append(
        f"{points:,} of {verdict.points:,} metric points differ, and {rest} arrays, weights, hashes and results"
    )
    if metrics:
        largest = max(metrics, key=lambda difference: gap_of(difference.largest))
        allowed = tolerance_of(largest.name.removeprefix("metric "))
        lines.append(f"largest: {largest.name}, {largest.largest}; its tolerance is {allowed}")
    listed = verdict.differences
    if verdict.verdict == WITHIN:
        lines.append("all within tolerance:")
    elif verdict.excused:
        listed = [difference for difference in listed if difference.near is False]
        lines.append("beyond any tolerance:")
    else:
        lines.append("nothing on which bits depend has changed, so every bit should be the same; these differ:")
    lines += [f"  {difference}" for difference in listed[:SHOWN]]
    return lines + ([f"  and {len(listed) - SHOWN} more"] if len(listed) > SHOWN else [])
