"""Between the user's tables and the model's arrays."""

from behavior_learning.encoding.responses import (
    UNNAMED,
    ContinuousResponse,
    DiscreteResponse,
    JointResponse,
    Response,
    check_distinct,
    class_codes,
    response_columns,
    response_from_json,
    response_values,
    warn_of_few_values,
)
from behavior_learning.encoding.tables import (
    EncodedColumn,
    TableEncoder,
    aligned,
    as_table,
    listed,
    with_the_same_categories,
)

__all__ = [
    "UNNAMED",
    "ContinuousResponse",
    "DiscreteResponse",
    "EncodedColumn",
    "JointResponse",
    "Response",
    "TableEncoder",
    "aligned",
    "as_table",
    "check_distinct",
    "class_codes",
    "listed",
    "response_columns",
    "response_from_json",
    "response_values",
    "warn_of_few_values",
    "with_the_same_categories",
]
