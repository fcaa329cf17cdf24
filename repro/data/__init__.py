"""Data sets, each read by one small module into an `ImageSet`."""

from repro.data.imageset import SPLITS, ImageSet
from repro.data.sources import load

__all__ = ["SPLITS", "ImageSet", "load"]
