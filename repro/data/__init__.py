"""Data sets, each read by one small module into an `ImageSet`."""

from repro.data.imageset import SPLITS, ImageSet
from repro.data.sources import load, split_sizes

__all__ = ["SPLITS", "ImageSet", "load", "split_sizes"]
