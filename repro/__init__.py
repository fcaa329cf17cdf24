"""Reproduction kit: BYOL with an additional positive chosen by pairwise TracIn, on medical images."""

import warnings

__version__ = "0.1.0"

# Sacred 0.8.7 imports pkg_resources, which announces its own end; the lock holds a setuptools that still has it.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
