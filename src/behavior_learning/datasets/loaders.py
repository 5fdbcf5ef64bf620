"""Loaders of the packaged tables."""

from importlib.resources import files

import pandas as pd

__all__ = ["load_auto_mpg", "load_boston", "load_german_credit", "load_travel_mode"]


def load_auto_mpg() -> tuple[pd.DataFrame, pd.Series]:
    """Load Auto MPG: 398 cars of 1970 to 1982, 7 columns, and mpg, the miles that each goes on a gallon in the city.

    Columns: `cylinders`, `displacement` (cubic inches), `horsepower` (missing for six cars), `weight` (pounds),
    `acceleration` (seconds to 60 miles an hour), `year` and `origin`.

    Source: Quinlan (1993), UCI Machine Learning Repository; CC BY 4.0. Changed: names of cars are left out, years have
    their century, and codes of the origin are USA, Europe and Japan.

    Examples
    --------
    >>> X, y = load_auto_mpg()
    >>> X.shape, y.name, X["origin"].value_counts().to_dict()
    ((398, 7), 'mpg', {'USA': 249, 'Japan': 79, 'Europe': 70})
    """
    table = _packaged("auto_mpg.csv")
    return table.drop(columns="mpg"), table["mpg"]


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
    table = _packaged("boston_housing.csv")
    return table.drop(columns="MEDV"), table["MEDV"]


def load_german_credit() -> tuple[pd.DataFrame, pd.Series]:
    """Load German Credit: 1,000 borrowers of a bank in the 1970s, 20 columns, and whether they repaid, good or bad.

    Two cautions. Three borrowers in ten are bad, far more than among those who applied. Columns such as
    `personal_status`, which joins sex and marriage, and `foreign_worker` are no grounds for a decision; they are there
    to look at how a model treats groups.

    Source: Hofmann, Statlog (German Credit Data), UCI Machine Learning Repository; CC BY 4.0.

    Examples
    --------
    >>> X, y = load_german_credit()
    >>> X.shape, y.value_counts().to_dict()
    ((1000, 20), {'good': 700, 'bad': 300})
    """
    table = _packaged("german_credit.csv")
    return table.drop(columns="class"), table["class"]


def load_travel_mode() -> pd.DataFrame:
    """Load 210 trips between Sydney, Canberra and Melbourne in 1987, a row for each of four modes of a trip.

    Columns: `trip`, `mode`, `chosen`, `wait` at the terminal (minutes), `cost` in the vehicle, `time` in the vehicle
    (minutes), `generalized_cost`, `income` of the household (thousands) and `party`, its size. Trips by car are too few
    by design: shares are not those of travellers.

    Source: Greene and Hensher (1997); public domain.

    Examples
    --------
    >>> load_travel_mode().groupby("mode")["chosen"].sum().to_dict()
    {'air': 58, 'bus': 30, 'car': 59, 'train': 63}
    """
    return _packaged("travel_mode.csv")


def _packaged(name: str) -> pd.DataFrame:
    """A table of this folder; only empty cells are missing."""
    with (files("behavior_learning.datasets") / name).open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False, na_values=[""])
