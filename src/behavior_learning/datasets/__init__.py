"""Small data sets that ship with the package, and public ones by name."""

from behavior_learning.datasets.fetchers import fetch_images, fetch_table, fetch_texts
from behavior_learning.datasets.loaders import load_auto_mpg, load_boston, load_german_credit, load_travel_mode

__all__ = [
    "fetch_images",
    "fetch_table",
    "fetch_texts",
    "load_auto_mpg",
    "load_boston",
    "load_german_credit",
    "load_travel_mode",
]
