"""Between the user's tables and the model's arrays."""

from behavior_learning.encoding.responses import (
    ContinuousResponse,
    DiscreteResponse,
    check_distinct,
    class_codes,
    response_values,
)
from behavior_learning.encoding.tables import EncodedColumn, TableEncoder, aligned, as_table, listed

__all__ = [
    "ContinuousResponse",
    "DiscreteResponse",
    "EncodedColumn",
    "TableEncoder",
    "aligned",
    "as_table",
    "check_distinct",
    "class_codes",
    "listed",
    "response_values",
]
