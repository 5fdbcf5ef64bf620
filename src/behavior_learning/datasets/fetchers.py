"""Public data sets by name: from a folder of files where `BL_DATA` names one, else from OpenML."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from behavior_learning.errors import DataError

__all__ = ["fetch_images", "fetch_table", "fetch_texts"]

Found = TypeVar("Found")

FOLDER = "BL_DATA"
"""The variable of the environment that names the folder."""


@dataclass(frozen=True)
class Source:
    """Where a table is found.

    Attributes
    ----------
    openml : its number.
    target : the response, as its column in the folder is named.
    also : other responses, which are no columns of X.
    """

    openml: int
    target: str
    also: tuple[str, ...] = ()


TABLES = {
    "adult": Source(1590, "class"),
    "auto_mpg": Source(196, "mpg"),
    "bank_marketing": Source(1461, "y"),
    "boston_housing": Source(531, "MEDV"),
    "breast_cancer_wisconsin": Source(15, "Class"),
    "california_housing": Source(537, "medianHouseValue"),
    "compas_two_years": Source(42193, "twoyearrecid"),
    "concrete_strength": Source(4353, "Concrete compressive strength"),
    "eeg_eye_state": Source(1471, "eyeDetection"),
    "electricity": Source(151, "class"),
    "energy_efficiency": Source(1472, "Y1 Heating Load", ("Y2 Cooling Load",)),
    "german_credit": Source(31, "class"),
    "magic_telescope": Source(1120, "class"),
    "planning_relax": Source(1490, "Class"),
    "steel_plates_faults": Source(40982, "fault"),
    "wine_quality_red": Source(40691, "quality"),
}

IMAGES = {"mnist": 554, "fashion_mnist": 40996}

TRAINING_IMAGES = 60_000
"""Images of a set on OpenML that come first and train."""

TEXTS = {
    "ag_news": ("ag_news_train_part", "ag_news_test", "AG News: github.com/mhjabreel/CharCnn_Keras"),
    "yelp": ("yelp_review_polarity_small",) * 2 + ("Yelp Review Polarity: huggingface.co/datasets/yelp_polarity",),
}
"""Files that train and that test, and where the originals are."""


def fetch_table(name: str) -> tuple[pd.DataFrame, pd.Series]:
    """Read a public table: X and the response.

    It comes from ``name.parquet`` in the folder that the environment variable ``BL_DATA`` names, where there is such a
    file, else from OpenML, which needs a network. Columns are named as the source names them.

    Parameters
    ----------
    name : ``"adult"``, ``"auto_mpg"``, ``"bank_marketing"``, ``"boston_housing"``, ``"breast_cancer_wisconsin"``,
        ``"california_housing"``, ``"compas_two_years"``, ``"concrete_strength"``, ``"eeg_eye_state"``,
        ``"electricity"``, ``"energy_efficiency"``, ``"german_credit"``, ``"magic_telescope"``, ``"planning_relax"``,
        ``"steel_plates_faults"`` or ``"wine_quality_red"``.

    Raises
    ------
    DataError
        If there is no such table, or it cannot be had.

    Examples
    --------
    >>> X, y = fetch_table("german_credit")  # doctest: +SKIP
    """
    source = _known(name, TABLES)
    path = _local(f"{name}.parquet")
    if path is None:
        found = _of_openml(name, source.openml)
        y = found.target
        return found.data, y if isinstance(y, pd.Series) else y.iloc[:, 0]
    table = pd.read_parquet(path)
    return table.drop(columns=[source.target, *source.also]), table[source.target]


def fetch_images(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read images of digits or clothes: pixels (n, 784) from 0 to 255 and labels, those that train and those that test.

    They come from ``name.npz`` in the folder that ``BL_DATA`` names, with arrays ``x_train``, ``y_train``, ``x_test``
    and ``y_test``, else from OpenML.

    Parameters
    ----------
    name : ``"mnist"`` or ``"fashion_mnist"``.

    Raises
    ------
    DataError
        If there are no such images, or they cannot be had.

    Examples
    --------
    >>> X_train, y_train, X_test, y_test = fetch_images("mnist")  # doctest: +SKIP
    """
    number = _known(name, IMAGES)
    path = _local(f"{name}.npz")
    if path is not None:
        with np.load(path) as kept:
            X, y, X_test, y_test = (kept[part] for part in ("x_train", "y_train", "x_test", "y_test"))
        return X.reshape(len(X), -1), y, X_test.reshape(len(X_test), -1), y_test
    found = _of_openml(name, number)
    X, y = found.data.to_numpy(np.uint8), found.target.astype(int).to_numpy()
    return X[:TRAINING_IMAGES], y[:TRAINING_IMAGES], X[TRAINING_IMAGES:], y[TRAINING_IMAGES:]


def fetch_texts(name: str) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    """Read texts and their labels, those that train and those that test, from the folder that ``BL_DATA`` names.

    Parameters
    ----------
    name : ``"ag_news"``, from ``ag_news_train_part.parquet`` and ``ag_news_test.parquet``, or ``"yelp"``, from
        ``yelp_review_polarity_small.parquet``, whose column `split` says ``train`` or ``test``; columns `text` and
        `label`.

    Raises
    ------
    DataError
        If there are no such texts, or the folder lacks them.

    Examples
    --------
    >>> texts, labels, texts_test, labels_test = fetch_texts("ag_news")  # doctest: +SKIP
    """
    *files, origin = _known(name, TEXTS)
    paths = [_local(f"{file}.parquet") for file in files]
    missing = [file for file, path in zip(files, paths, strict=True) if path is None]
    if missing:
        raise DataError(f"{name!r} needs {missing[0]}.parquet in the folder that {FOLDER} names. Make it of {origin}.")
    parts = [pd.read_parquet(path) for path in paths if path is not None]
    if "split" in parts[0]:
        parts = [part[part["split"] == which] for part, which in zip(parts, ("train", "test"), strict=True)]
    train, test = parts
    return train["text"], train["label"], test["text"], test["label"]


def _known(name: str, kinds: dict[str, Found]) -> Found:
    if name not in kinds:
        raise DataError(f"There is no data set {name!r} of this kind. Known: {', '.join(kinds)}.")
    return kinds[name]


def _local(file: str) -> Path | None:
    """A file of the folder, where both are there."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise DataError(f"{FOLDER}={folder!r} is no folder. Name one with files such as mnist.npz, or unset it.")
    path = Path(folder) / file
    return path if path.exists() else None


def _of_openml(name: str, number: int) -> Any:
    from sklearn.datasets import fetch_openml

    try:
        return fetch_openml(data_id=number, as_frame=True, parser="auto")
    except OSError as error:
        raise DataError(
            f"{name!r} is number {number} of OpenML, which cannot be reached ({error}). Set {FOLDER} to a folder that "
            "has it."
        ) from error
