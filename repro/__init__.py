"""Reproduction kit: BYOL with an additional positive chosen by pairwise TracIn, on medical images."""

__version__ = "0.1.0"
