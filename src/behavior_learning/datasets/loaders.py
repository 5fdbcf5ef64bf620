"""Loaders of the packaged tables."""

from importlib.resources import files

import pandas as pd

__all__ = ["load_boston"]


def load_boston() -> tuple[pd.DataFrame, pd.Series]:
    """Load Boston Housing: 506 census tracts of 1970, 13 columns, and MEDV, the median home value in $1000s.

    Two cautions. Column B is 1000(Bk − 0.63)² with Bk the share of Black residents, built on the assumption that
    segregation raises prices; the data are shipped because the method's paper studies them, not as a model of how homes
    should be valued. MEDV is capped at 50: the 16 tracts at 50.0 are censored, not equal.

    Source: Harrison and Rubinfeld (1978), StatLib; public domain.

    Examples
    --------
    >>> X, y = load_boston()
    >>> X.shape, y.name
    ((506, 13), 'MEDV')
    """
    with (files("behavior_learning.datasets") / "boston_housing.csv").open() as file:
        table = pd.read_csv(file)
    return table.drop(columns="MEDV"), table["MEDV"]
