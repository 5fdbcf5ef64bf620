"""Between the user's tables and the model's arrays."""

from behavior_learning.encoding.frames import aligned, as_table, in_pandas, listed, unmasked, with_the_same_categories
from behavior_learning.encoding.tables import EncodedColumn, TableEncoder
from behavior_learning.encoding.text import what_text_hides
from behavior_learning.encoding.values import as_floats, bulk_range, location_and_spread

__all__ = [
    "EncodedColumn",
    "TableEncoder",
    "aligned",
    "as_floats",
    "as_table",
    "bulk_range",
    "in_pandas",
    "listed",
    "location_and_spread",
    "unmasked",
    "what_text_hides",
    "with_the_same_categories",
]
