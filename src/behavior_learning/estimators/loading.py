"""From a file to an estimator: the class is found by its name."""

from os import PathLike
from typing import Any

from behavior_learning.caching import keep_programs
from behavior_learning.errors import DataError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.choice import BLChoice
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.density import BLDensity
from behavior_learning.estimators.hybrid import BLHybrid
from behavior_learning.estimators.regressor import BLRegressor
from behavior_learning.persistence import read, read_contents

__all__ = ["ESTIMATORS", "load"]

ESTIMATORS: dict[str, type[BehaviorEstimator]] = {
    kind.__name__: kind for kind in (BLClassifier, BLDensity, BLHybrid, BLRegressor)
}
"""Estimators by name; add your own to load what it saved."""


def load(path: str | PathLike[str]) -> Any:
    """Read an estimator that `save` wrote.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> X, y = bl.datasets.load_boston()
    >>> path = Path(mkdtemp()) / "boston.bl"
    >>> reg = bl.BLRegressor(layers=(2, 1), max_epochs=50, random_state=0).fit(X, y)
    >>> reg.save(path)
    >>> bl.load(path).n_parameters_ == reg.n_parameters_
    True

    Raises
    ------
    DataError
        If the file is no saved model, one of another format, or of an estimator that is not known.
    """
    keep_programs()
    contents = read_contents(path)
    if contents[0].get("estimator") == BLChoice.__name__:
        try:
            return BLChoice.restored(*contents)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is damaged: {error!r}. Save the model again.") from error
    saved = read(path, contents)
    if saved.estimator not in ESTIMATORS:
        known = ", ".join(ESTIMATORS)
        raise DataError(f"{path} holds a {saved.estimator}, and known are {known}. Import its module first.")
    try:
        estimator = ESTIMATORS[saved.estimator](**saved.parameters)
    except TypeError as error:
        raise DataError(f"{path} is damaged: {error}. Save the model again.") from error
    estimator._adopt(saved.model, named=saved.named)  # pyright: ignore[reportPrivateUsage]
    return estimator
