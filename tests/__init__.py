"""The tests. The kit is imported before torch is, so that OpenMP's threads sleep while they wait."""

import repro  # noqa: F401
