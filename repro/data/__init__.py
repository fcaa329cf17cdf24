"""Data sets, each read by one small module into an `ImageSet`."""

from repro.data.imageset import SPLITS, ImageSet
from repro.data.sources import altered, load, split_sizes

__all__ = ["SPLITS", "ImageSet", "altered", "load", "split_sizes"]
