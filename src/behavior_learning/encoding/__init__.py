"""Between the user's tables and the model's arrays."""

from behavior_learning.encoding.tables import (
    EncodedColumn,
    TableEncoder,
    aligned,
    as_table,
    listed,
    location_and_spread,
    unmasked,
    with_the_same_categories,
)

__all__ = [
    "EncodedColumn",
    "TableEncoder",
    "aligned",
    "as_table",
    "listed",
    "location_and_spread",
    "unmasked",
    "with_the_same_categories",
]
