"""Classifiers that stand beside BL: those of Table 5, and readable and boosted ones of today.

Each takes tables with categories and missing values, and returns probabilities in the order of `classes_`. Table 5's
neural additive model, TabNet and variational Gaussian process are not among them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import behavior_learning as bl
from behavior_learning.errors import DataError

MOST_PRODUCTS = 2_000
"""Terms beyond which a polynomial does not fit into memory with the largest of the tables."""


class Coded(ClassifierMixin, BaseEstimator):
    """A classifier behind codes for labels, one-hot categories and standardised numbers."""

    def __init__(self, classifier: Any):
        self.classifier = classifier

    def fit(self, X: Any, y: Any) -> "Coded":
        numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self.encoder_ = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (levels, make_column_selector(dtype_exclude="number")),
            verbose_feature_names_out=False,
        )
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.classifier.fit(self.encoder_.fit_transform(X), codes)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.classifier.predict_proba(self.encoder_.transform(X))


class OneByOne(ClassifierMixin, BaseEstimator):
    """A classifier of two classes for each of several, their probabilities brought to a sum of one."""

    def __init__(self, make: Callable[[np.ndarray], Any]):
        self.make = make

    def fit(self, X: np.ndarray, y: np.ndarray) -> "OneByOne":
        codes = [1] if y.max() == 1 else range(y.max() + 1)
        self.parts_ = [self.make(X).fit(X, (y == code).astype(int)) for code in codes]
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        own = [part.predict_proba(X) for part in self.parts_]
        yes = np.column_stack([p if p.ndim == 1 else p[:, 1] for p in own])
        p = np.hstack([1 - yes, yes]) if yes.shape[1] == 1 else yes
        return np.clip(p, 1e-12, None) / np.clip(p, 1e-12, None).sum(axis=1, keepdims=True)


class Products(PolynomialFeatures):
    """Products of columns, where they are not too many."""

    def fit(self, X: Any, y: Any = None) -> "Products":
        columns = np.shape(X)[1]
        terms = (columns + 1) * (columns + 2) // 2 if self.degree == 2 else np.inf
        if terms > MOST_PRODUCTS:
            raise DataError(
                f"{columns} encoded columns have more than {MOST_PRODUCTS} products of degree {self.degree}"
            )
        return super().fit(X, y)


def additive(X: np.ndarray) -> Any:
    """A logistic GAM: a spline for each number, a line for what has two values."""
    from pygam import LogisticGAM, l, s

    terms = [(s if len(np.unique(column)) > 2 else l)(j) for j, column in enumerate(X.T)]
    return LogisticGAM(sum(terms[1:], terms[0]))


def figs(seed: int) -> Callable[[np.ndarray], Any]:
    from imodels import FIGSClassifier

    return lambda X: FIGSClassifier(random_state=seed)


def imported(module: str, name: str, **options: Any) -> Any:
    return getattr(import_module(module), name)(**options)


@dataclass(frozen=True)
class Model:
    """A classifier by its seed and other settings.

    Attributes
    ----------
    space : where settings are drawn when it is tuned, Table 8's where that has them; empty where it is not.
    packages : by the names under which they are installed.
    watched : whether it takes held-out rows as `validation_data`, and does without them in training.
    """

    make: Callable[..., Any]
    space: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    watched: bool = False


def bl_classifier(seed: int, **options: Any) -> Any:
    """BL, and from settings of a search its optimiser and penalty."""
    rate, size, l2 = (options.pop(name, None) for name in ("learning_rate", "batch_size", "l2"))
    if rate is not None:
        options["optimizer"] = bl.Adam(learning_rate=rate, batch_size=size)
    if l2 is not None:
        options["penalty"] = bl.Penalty(l2=l2)
    return bl.BLClassifier(random_state=seed, **options)


def boosted(seed: int, **options: Any) -> Any:
    return Coded(imported("lightgbm", "LGBMClassifier", random_state=seed, n_jobs=1, verbose=-1, **options))


BOOSTING = {
    "learning_rate": loguniform(0.01, 0.3),
    "n_estimators": randint(50, 500),
    "subsample": uniform(0.5, 0.5),
    "colsample_bytree": uniform(0.5, 0.5),
    "reg_lambda": loguniform(1e-3, 30),
}
"""Not in Table 8, which leaves the space of LightGBM open."""

MODELS = {
    "BL default": Model(
        bl_classifier,
        {
            "layers": [(24,), (36,), (24, 4), (36, 6), (24, 6, 2), (36, 8, 4)],
            "learning_rate": loguniform(5e-4, 3e-2),
            "batch_size": [64, 128, 256],
            "l2": loguniform(0.3, 100),
        },
    ),
    "BL average": Model(lambda seed: bl_classifier(seed, average=True, validation_fraction=0.125)),
    "BL single": Model(lambda seed: bl_classifier(seed, degrees=((2,), (2, 2, 2), (2, 2))), watched=True),
    "logistic": Model(
        lambda seed, **o: Coded(LogisticRegression(**{"max_iter": 2000} | o)),
        {"C": loguniform(1e-4, 1e2), "fit_intercept": [True, False]},
    ),
    "polynomial logistic": Model(
        lambda seed, **o: Coded(make_pipeline(Products(2), StandardScaler(), LogisticRegression(max_iter=500, **o))),
        {"C": loguniform(1e-3, 1e2)},
    ),
    "ElasticNet": Model(
        lambda seed, **o: Coded(SGDClassifier(loss="log_loss", penalty="elasticnet", random_state=seed, **o)),
        {"alpha": loguniform(1e-4, 1e2), "l1_ratio": uniform(0, 1)},
    ),
    "tree": Model(
        lambda seed, **o: Coded(DecisionTreeClassifier(random_state=seed, **o)),
        {
            "criterion": ["gini", "entropy", "log_loss"],
            "max_depth": randint(3, 21),
            "min_samples_split": randint(2, 21),
            "min_samples_leaf": randint(1, 11),
            "ccp_alpha": uniform(0, 0.1),
        },
    ),
    "random forest": Model(
        lambda seed, **o: Coded(RandomForestClassifier(random_state=seed, **o)),
        {
            "n_estimators": randint(100, 501),
            "max_depth": randint(3, 31),
            "max_features": ["sqrt", "log2"],
            "min_samples_leaf": randint(1, 11),
            "min_samples_split": randint(2, 21),
        },
    ),
    "MLP": Model(
        lambda seed, **o: Coded(MLPClassifier(random_state=seed, **o)),
        {
            "learning_rate_init": loguniform(1e-5, 1e-1),
            "batch_size": [32, 64, 128, 256],
            "hidden_layer_sizes": [(32,) * 2, (128,) * 2, (256,) * 2, (64,) * 3, (128,) * 4],
            "alpha": loguniform(1e-6, 1e-2),
        },
    ),
    "EBM": Model(
        lambda seed, **o: imported(
            "interpret.glassbox", "ExplainableBoostingClassifier", random_state=seed, n_jobs=1, **o
        ),
        {"learning_rate": loguniform(0.005, 0.05), "interactions": randint(0, 25), "max_leaves": [2, 3, 4]},
        ("interpret-core",),
    ),
    "pyGAM": Model(lambda seed: Coded(OneByOne(additive)), packages=("pygam",)),
    "FIGS": Model(lambda seed: Coded(OneByOne(figs(seed))), packages=("imodels",)),
    "LightGBM": Model(
        boosted, BOOSTING | {"num_leaves": randint(4, 64), "min_child_samples": randint(5, 60)}, ("lightgbm",)
    ),
    "XGBoost": Model(
        lambda seed, **o: Coded(imported("xgboost", "XGBClassifier", random_state=seed, n_jobs=1, **o)),
        BOOSTING | {"max_depth": randint(2, 8)},
        ("xgboost",),
    ),
}
"""By name; whoever can be tuned also takes part as ``tuned ...``."""
