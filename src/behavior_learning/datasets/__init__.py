"""Small data sets that ship with the package."""

from behavior_learning.datasets.loaders import load_boston, load_german_credit, load_travel_mode

__all__ = ["load_boston", "load_german_credit", "load_travel_mode"]
