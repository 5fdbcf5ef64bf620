"""Small data sets that ship with the package."""

from behavior_learning.datasets.loaders import load_boston

__all__ = ["load_boston"]
