"""Judging an encoder: k nearest neighbours, a linear probe, fine-tuning on a label fraction (or Semixup)."""
