"""`bl inference`."""

from typing import Annotated

import typer

from behavior_learning.cli.common import DataFile, ModelFile, Read, Seed, loaded, reading, split_responses

__all__ = ["inference"]


@reading
def inference(
    model: ModelFile,
    data: DataFile,
    read: Read,
    cov_type: Annotated[
        str, typer.Option("--cov-type", help="robust, hessian, opg, bootstrap or jackknife.")
    ] = "robust",
    seed: Seed = 0,
) -> None:
    """Print estimates of the parameters with standard errors and tests, from the rows of a table."""
    estimator = loaded(model)
    print(estimator.inference(*split_responses(estimator, data, read), cov_type=cov_type, seed=seed).summary())
