"""`bl effects`."""

from behavior_learning.cli.common import DataFile, ModelFile, Read, loaded, reading, split_responses

__all__ = ["effects"]


@reading
def effects(model: ModelFile, data: DataFile, read: Read) -> None:
    """Print what moves the response, and by how much, at the rows of a table."""
    estimator = loaded(model)
    print(estimator.effects(*split_responses(estimator, data, read)))
